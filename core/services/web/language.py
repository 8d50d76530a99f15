"""Texts for people, in their language: `texts/<language>.json`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.core import negotiate_locale
from fastapi import Request

FOLDER = Path(__file__).parent / "texts"
LANGUAGES = ("en", "de")
"""The first is for whoever reads none of them."""


@dataclass(frozen=True)
class Texts:
    """The texts of one language: `texts("login.title", name="Acme")`."""

    language: str
    words: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """A text, with the values that it names.

        Raises:
            KeyError: there is no such text, or it names a value that is not given.
        """
        return self.words[key].format(**values)


def texts_for(request: Request) -> Texts:
    """The texts for who asks, by the query's `ui_locales`, else as the browser prefers."""
    preferred = request.query_params.get("ui_locales", "").lower().split()
    preferred += _accepted(request.headers.get("accept-language", "").lower())
    return _texts(negotiate_locale(preferred, LANGUAGES, sep="-") or LANGUAGES[0])


@cache
def _texts(language: str) -> Texts:
    return Texts(language, json.loads((FOLDER / f"{language}.json").read_text("utf-8")))


def _accepted(header: str) -> list[str]:
    """Languages of the header `Accept-Language`, the most wanted first."""
    return [tag for _, tag in sorted(_weighed(header), key=lambda pair: -pair[0])]


def _weighed(header: str) -> Iterator[tuple[float, str]]:
    for part in header.replace(" ", "").split(","):
        tag, _, weight = part.partition(";q=")
        with suppress(ValueError):
            yield float(weight or 1), tag
