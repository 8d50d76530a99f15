"""Lengths of time as people write them, as integer seconds everywhere else."""

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

PATTERN = r"^[1-9][0-9]*(s|m|h|d)$"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: object) -> int:
    """Turn `90s`, `30m`, `12h` or `7d` into seconds.

    Raises:
        ValueError: it is anything else; a bare number has no unit and is refused.
    """
    if not isinstance(text, str) or not re.fullmatch(PATTERN, text):
        raise ValueError("a whole number and a unit, such as 90s, 30m, 12h or 7d")
    return int(text[:-1]) * _SECONDS[text[-1]]


def text(seconds: int) -> str:
    """Seconds as a file has them, in the largest unit that divides them."""
    unit = next(unit for unit, size in reversed(_SECONDS.items()) if seconds % size == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


Duration = Annotated[
    int,
    BeforeValidator(seconds),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["30m", "12h"]}),
]
"""Seconds; in a file a number with a unit."""


def go_duration(seconds: int) -> str:
    """Seconds in Go's form, as Docker writes them: 90 is `1m30s`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
