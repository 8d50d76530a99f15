"""ASGI middleware that checks the JSON body of a request, in front of LiteLLM.

LiteLLM finds the body parsed where it would have kept it itself, so that what was checked is what
it uses; it would stumble over some bodies, and add to others what it reads in headers.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn

from asgi.body_limit import App, Receive, Scope, Send, replay
from gateway.failure import Failure, body_of
from gateway.request_policy import (
    DROPPED,
    Body,
    RequestError,
    has_json_body,
    route_of,
    validate_body,
)

# Where LiteLLM keeps a body: its names, and the body itself.
_LITELLMS = "parsed_body"

_BAD_REQUEST = 400
# Measured: small messages of twenty times that are 1.5 seconds of work.
_LARGE_BYTES = 1024 * 1024
_DEEPEST = 100
_LEAST_NUMBER, _LARGEST_NUMBER = -(2**63), 2**64  # what 64 bits hold, with a sign or without
_LONGEST_NUMBER = len(str(_LARGEST_NUMBER))
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
_NOT_JSON = "The body is not valid JSON"


class JsonBody:
    """Wraps LiteLLM's application, which gets no body that is not as this gateway knows it.

    Args:
        cache_seconds: longest life of a cached answer; None if nothing is cached.
    """

    def __init__(self, app: App, *, cache_seconds: int | None) -> None:
        self._app = app
        self._cache_seconds = cache_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse its body."""
        if scope["type"] != "http" or scope["method"] != "POST" or not has_json_body(scope):
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        if body is None:
            return
        try:
            if len(body) > _LARGE_BYTES:
                # Others are answered meanwhile.
                checked, clean = await asyncio.to_thread(self._check, scope, body)
            else:
                checked, clean = self._check(scope, body)
        except RequestError as error:
            await _refuse(error, scope, send)
            return
        keep_body(scope, checked)
        # Some of LiteLLM's routes read it once more.
        await self._app(scope, replay(clean, receive), send)

    def _check(self, scope: Scope, body: bytes) -> tuple[Body, bytes]:
        """The body, and its JSON."""
        parsed = parse(body, content_type=_content_type(scope))
        checked = validate_body(route_of(scope), parsed, cache_seconds=self._cache_seconds)
        return checked, json.dumps(checked.value).encode()


def keep_body(scope: Scope, checked: Body) -> None:
    """Let LiteLLM use a body, and tell the caller what is not in it."""
    scope[_LITELLMS] = (tuple(checked.value), checked.value)
    scope[DROPPED] = checked.dropped


def is_checked(scope: Scope) -> bool:
    """Whether the body of a request was checked."""
    return DROPPED in scope


async def _refuse(error: RequestError, scope: Scope, send: Send) -> None:
    failure = Failure(status=_BAD_REQUEST, message=str(error), param=error.param)
    content = body_of(failure, str(scope["path"]))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    await send({"type": "http.response.start", "status": _BAD_REQUEST, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})


def parse(body: bytes, *, content_type: str = "") -> dict[str, Any]:
    """The object that a body holds.

    Raises:
        RequestError: with what is wrong.
    """
    if content_type.partition(";")[0].strip().lower() in _FORM_TYPES:
        raise RequestError("The body must be JSON, with `Content-Type: application/json`.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequestError(f"{_NOT_JSON}: it is not in UTF-8.") from None
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_whole_number,
            parse_float=_number,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RequestError(f"{_NOT_JSON}: {error.msg} ({where}).") from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(parsed, dict):
        raise RequestError("The body must be a JSON object.")
    if body.count(b"[") + body.count(b"{") > _DEEPEST:
        _check_depth(parsed)
    if _HALF_CHARACTER.search(body):
        _check_characters(parsed)
    return parsed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    if len(parsed) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise RequestError(f"{_NOT_JSON}: `{twice[:64]}` is in one object twice.")
    return parsed


def _constant(name: str) -> NoReturn:
    raise RequestError(f"{_NOT_JSON}: {name} is not a number.")


def _whole_number(digits: str) -> int:
    number = int(digits) if len(digits) <= _LONGEST_NUMBER + 1 else _LARGEST_NUMBER
    if not _LEAST_NUMBER <= number < _LARGEST_NUMBER:
        raise RequestError("A number in the body is too large.")
    return number


def _number(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise RequestError("A number in the body is too large.")
    return number


def _check_depth(parsed: dict[str, Any]) -> None:
    level: list[Any] = [parsed]
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise _too_deep()


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    items = value.values() if isinstance(value, dict) else value
    return (item for item in items if isinstance(item, dict | list))


def _too_deep() -> RequestError:
    return RequestError(f"The body is nested deeper than {_DEEPEST} levels.")


def _check_characters(parsed: dict[str, Any]) -> None:
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RequestError(f"{_NOT_JSON}: it has half of a character in it.") from None


def _content_type(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name.lower() == b"content-type"]
    return values[0].decode("latin-1") if values else ""


async def _whole(receive: Receive) -> bytes | None:
    """The whole body; None if the client has left."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)
