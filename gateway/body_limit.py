"""ASGI middleware that bounds the body of a request, before the application sees the request.

A body is refused by its declared size before any of it is read, and else at the byte that is too
many. It must be plain: a compressed one could be of any size. It must arrive at a steady pace.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Refuse = Callable[[Scope, int, str], bytes]
"""Makes the body of a refusal, in JSON, of the request, the status code and a sentence."""

# A body may take this long, and longer by what has arrived: 64 KiB a second is a slow line.
_PATIENCE_SECONDS = 20.0
_BYTES_PER_SECOND = 64 * 1024

# A client that is still sending reads its answer only afterwards, unless it is cut off.
_LINGER_SECONDS = 5.0

_MEBIBYTE = 1024 * 1024


class Refused(Exception):  # noqa: N818
    """A request is not let through; the text is for the caller.

    Args:
        status: of the answer.
        message: says why.
        unread: whether the caller may still be sending a body.
    """

    def __init__(self, status: int, message: str, *, unread: bool = True) -> None:
        super().__init__(message)
        self.status = status
        self.unread = unread


class BodyLimit:
    """Wraps an application, which gets each body whole or not at all.

    Args:
        app: gets the requests whose bodies are within the limit, and all that is no request.
        max_bytes: the size of the largest body that is let through.
        refuse: makes the answers; without it they have the form of OpenAI's API.
        patience_seconds: the time that a body may take, besides a second for each 64 KiB of it.
    """

    def __init__(
        self,
        app: App,
        *,
        max_bytes: int,
        refuse: Refuse | None = None,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._refuse = refuse or _openai_error
        self._patience_seconds = patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, by the application or with a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_headers(scope)
            body = await self._read(receive)
        except Refused as refused:
            await answer_refused(refused, self._refuse, scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    def _check_headers(self, scope: Scope) -> None:
        encodings = [value.strip().lower() for value in _values(scope, b"content-encoding")]
        if any(encoding not in (b"", b"identity") for encoding in encodings):
            raise Refused(415, "A compressed body is not accepted. Send it without compression.")
        lengths = _values(scope, b"content-length")
        # Servers refuse most of these themselves; what they let through, one would read shorter
        # than the other.
        if len(set(lengths)) > 1 or (lengths and _values(scope, b"transfer-encoding")):
            raise Refused(400, "The request declares the size of its body more than once.")
        for length in lengths:
            if not length.isdigit():
                raise Refused(400, "Content-Length must be a number.")
            digits = length.lstrip(b"0")
            # Python does not convert thousands of digits.
            if len(digits) > len(str(self._max_bytes)) or int(digits or b"0") > self._max_bytes:
                raise self._too_large()

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body; None if the client has left."""
        body = bytearray()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience_seconds
        while True:
            try:
                async with asyncio.timeout_at(end + len(body) / _BYTES_PER_SECOND):
                    message = await receive()
            except TimeoutError:
                raise Refused(408, "The body of the request arrives too slowly.") from None
            if message["type"] != "http.request":
                return None
            more = message.get("more_body", False)
            chunk = message.get("body", b"")
            if len(body) + len(chunk) > self._max_bytes:
                raise self._too_large(unread=more)
            body += chunk
            if not more:
                return bytes(body)

    def _too_large(self, *, unread: bool = True) -> Refused:
        most = f"{self._max_bytes / _MEBIBYTE:.6g} MiB"
        message = f"The body of the request is larger than {most}, the most allowed."
        return Refused(413, message, unread=unread)


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for header, value in scope["headers"] if header.lower() == name]


def _openai_error(_scope: Scope, status: int, message: str) -> bytes:
    error = {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": str(status),
    }
    return json.dumps({"error": error}).encode()


def _replay(body: bytes, receive: Receive) -> Receive:
    """What the application receives: the body that has been read, then what comes after it."""
    unread = iter([body])

    async def receive_again() -> Message:
        for whole in unread:
            return {"type": "http.request", "body": whole, "more_body": False}
        return await receive()

    return receive_again


async def answer_refused(
    refused: Refused, refuse: Refuse, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer at once, and close the connection when the client has sent the rest of its body."""
    content = refuse(scope, refused.status, str(refused))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    if refused.unread:
        await _drop_the_rest(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop_the_rest(receive: Receive) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while (message := await receive())["type"] == "http.request":
                if not message.get("more_body", False):
                    return
