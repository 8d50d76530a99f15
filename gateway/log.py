"""The container's log: one line of JSON for each event, and never the words of a request.

LiteLLM writes tracebacks and parts of requests, in many places and ways. Once it serves requests,
only what is written here reaches the log; of its own records, the place and the kind of the error.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TextIO

_OURS = "gateway"
_LONGEST = 300
_MOST_ERRORS = 8


@dataclass
class RequestLog:
    """The log of one request, and the errors that LiteLLM reported in it."""

    written: bool = False
    ended: bool = False
    errors: list[str] = field(default_factory=list)


_request: ContextVar[RequestLog | None] = ContextVar("request_log", default=None)
_stdout: TextIO = sys.stdout


def write(event: str, **fields: object) -> None:
    """Write one line, which also speaks for the request that it is written in."""
    if request := _request.get():
        request.written = True
    _write(event, fields)


@contextmanager
def request() -> Iterator[RequestLog]:
    """The log of a request, while it is answered."""
    current = RequestLog()
    token = _request.set(current)
    try:
        yield current
    finally:
        current.ended = True
        _request.reset(token)


def take_over() -> None:
    """Send every record of every logger here."""
    root = logging.getLogger()
    root.handlers[:] = [_Handler()]
    root.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in (_OURS, "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.INFO)


def keep_quiet() -> None:
    """From now on, drop whatever is printed, and the words of LiteLLM's records."""
    _Handler.quiet = True
    sys.stdout = sys.stderr = _Nowhere()


class _Nowhere:
    """A place for printed text that keeps none."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


class _Handler(logging.Handler):
    quiet = False

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        if record.name.partition(".")[0] == _OURS or not self.quiet:
            message = record.getMessage().partition("\n")[0][:_LONGEST]
            _write(level, {"logger": record.name, "message": message, **_error(record)})
        elif record.levelno >= logging.ERROR:
            current = _request.get()
            if current is None or current.ended:
                _write(level, {"logger": record.name, "at": _place(record), **_error(record)})
            elif len(current.errors) < _MOST_ERRORS:
                current.errors.append(_kind(record) or _place(record))


def _write(event: str, fields: Mapping[str, object]) -> None:
    print(json.dumps({"event": event, **fields}), file=_stdout, flush=True)


def _error(record: logging.LogRecord) -> dict[str, str]:
    kind = _kind(record)
    return {"error": kind} if kind else {}


def _kind(record: logging.LogRecord) -> str:
    """The class of the exception that a record is about."""
    raised = record.exc_info[1] if record.exc_info else None
    given = record.args if isinstance(record.args, tuple) else ()
    errors = [each for each in (raised, *given) if isinstance(each, BaseException)]
    return type(errors[0]).__name__ if errors else ""


def _place(record: logging.LogRecord) -> str:
    return f"{record.module}:{record.lineno}"
