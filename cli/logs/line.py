"""A line of a log, whatever its service writes."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

_LEVELS = {
    "DEBUG": "debug",
    "INFO": "info",
    "LOG": "info",
    "NOTICE": "info",
    "WARNING": "warning",
    "WARN": "warning",
    "ERROR": "error",
    "FATAL": "error",
    "PANIC": "error",
    "CRITICAL": "error",
}
_LEVEL = re.compile(rf"\b({'|'.join(_LEVELS)})\b:?")
# Of PostgreSQL, of Valkey, and of Python's logging: Docker says the time anyway.
_TIME = re.compile(
    r"^(\[?\d{4}-\d\d-\d\d[T ][\d:.,]+(Z| UTC)?( \[\d+\])?\]?|\d+:\w \d\d \w{3} \d{4} [\d:.]+)"
    r"[ |*#-]*"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SECRET = re.compile(r"[A-Za-z0-9_\-]{16,}")
_HIDDEN = "[secret]"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line.

    Attributes:
        time: in UTC, to the second.
        service: that wrote it.
        level: `debug`, `info`, `warning`, `error`, or empty if it does not say one.
        text: without the time.
    """

    time: str
    service: str
    level: str
    text: str

    @property
    def json(self) -> str:
        """For programs."""
        return json.dumps(asdict(self))


def parse(service: str, written: str) -> Line:
    """The line that Docker hands over with its own time before it."""
    time, _, text = written.rstrip("\r\n").partition(" ")
    text = _COLOUR.sub("", text)
    fields = _fields(text)
    if fields is not None:
        level, text = _of_json(fields)
    else:
        text = _TIME.sub("", text)
        found = _LEVEL.search(text[:80])
        level = _LEVELS[found[1]] if found else ""
    return Line(time=f"{time[:19]}Z", service=service, level=level, text=text)


def _fields(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text) if text.startswith("{") else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _of_json(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Level and text of a line of JSON; ours have the level, or the event, in `event`."""
    others = dict(fields)
    event = str(others.pop("event", ""))
    level = _LEVELS.get(str(others.pop("level", event)).upper(), "")
    words = [event] if event and event.upper() not in _LEVELS else []
    words += [str(others.pop(name)) for name in ("message", "msg") if name in others]
    words += [f"{name}={value}" for name, value in others.items()]
    return level, " ".join(words)


class Mask:
    """Hides secrets.

    Args:
        texts: that have them; each is one, or has some in it.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        found = {secret for text in texts for secret in _secrets(text)}
        longest_first = sorted(found, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if found else None

    def __call__(self, text: str) -> str:
        """The text with a word in the place of each secret."""
        return self._pattern.sub(_HIDDEN, text) if self._pattern else text


def _secrets(text: str) -> Iterable[str]:
    """Every long word with a digit and a letter in it: names of fields have no digits."""
    for word in _SECRET.findall(text):
        if re.search(r"\d", word) and re.search("[A-Za-z]", word):
            yield word
