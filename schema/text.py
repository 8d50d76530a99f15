"""Texts of a given form, with an error that says the form in words."""

import re
from collections.abc import Callable
from typing import Any

from pydantic import AfterValidator, WithJsonSchema


def constrained_str(pattern: str, allowed: str) -> tuple[Any, Any]:
    """Metadata for an `Annotated[str, *constrained_str(...)]`.

    Args:
        pattern: what the whole text must match; it is in the JSON Schema as well.
        allowed: the same in words, for the error, for editors and for the reference.
    """
    return AfterValidator(_checker(pattern, allowed)), WithJsonSchema(
        {"type": "string", "pattern": f"^{pattern}$", "patternErrorMessage": allowed}
    )


def _checker(pattern: str, allowed: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(allowed)
        return text

    return check
