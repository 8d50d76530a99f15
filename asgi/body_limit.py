"""ASGI middleware that bounds the body of a request, before the application sees the request.

A body is refused by its declared size before any of it is read, and else at the byte that is too
many. It must be plain: a compressed one could be of any size. It must arrive at a steady pace.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
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

# Some of these are answered without a key, and must take no memory that others wait for.
_WITHOUT_A_BODY = ("GET", "HEAD", "OPTIONS")

# Measured with LiteLLM: 20 MiB of text take 165 MiB, 2 MiB of the smallest messages 80 MiB, and
# 2 MiB of empty lists 70 MiB.
_PER_BYTE = 8
_PER_OBJECT = 1000
_PER_LIST = 100
_PER_NAME = 200


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


class BodyMemory:
    """The memory that the bodies of all requests under way may take together.

    Args:
        total_bytes: all of it; large bodies leave a quarter to small ones.
        wait_seconds: how long a body waits for others to go.
    """

    def __init__(self, total_bytes: int, *, wait_seconds: float = _PATIENCE_SECONDS) -> None:
        self._total = total_bytes
        self._wait_seconds = wait_seconds
        self._held = 0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def held(self, size: int) -> AsyncIterator["HeldMemory"]:
        """Memory for a body of a size, until its request has been answered.

        Raises:
            Refused: there is not enough of it.
        """
        held = HeldMemory(self)
        try:
            await held.change(size * _PER_BYTE)
            yield held
        finally:
            self.give_back(held.amount)

    async def take(self, amount: int, more: int) -> None:
        """Wait for more of it.

        Args:
            amount: what the request then has.
            more: what of it is new.
        """
        most = self._total if amount <= self._total // 8 else self._total * 3 // 4
        if amount > most:
            raise Refused(413, "The body of the request has too many parts for this gateway.")
        try:
            async with asyncio.timeout(self._wait_seconds):
                while self._held + more > most:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            message = "The gateway is busy with large requests. Try again in a moment."
            raise Refused(503, message) from None
        self._held += more

    def give_back(self, amount: int) -> None:
        """Let others have it."""
        self._held -= amount
        self._freed.set()


class HeldMemory:
    """The share of the memory that one request has."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self.amount = 0

    async def change(self, amount: int) -> None:
        """Take more, or give some back.

        Raises:
            Refused: there is not enough of it.
        """
        if amount > self.amount:
            await self._memory.take(amount, amount - self.amount)
        else:
            self._memory.give_back(self.amount - amount)
        self.amount = amount


def memory_of(body: bytes) -> int:
    """Memory of a body that is read as JSON, and copied as often as LiteLLM does."""
    counted = {b"{": _PER_OBJECT, b"[": _PER_LIST, b":": _PER_NAME}
    return len(body) * _PER_BYTE + sum(body.count(mark) * each for mark, each in counted.items())


class BodyLimit:
    """Wraps an application, which gets each body whole or not at all.

    Args:
        app: gets the requests whose bodies are within the limit, and all that is no request.
        max_bytes: the size of the largest body that is let through.
        refuse: makes the answers; without it they have the form of OpenAI's API.
        memory: what the bodies of all requests may take together; without it that is not bounded.
        patience_seconds: the time that a body may take, besides a second for each 64 KiB of it.
    """

    def __init__(
        self,
        app: App,
        *,
        max_bytes: int,
        refuse: Refuse | None = None,
        memory: BodyMemory | None = None,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._refuse = refuse or _openai_error
        self._memory = memory
        self._patience_seconds = patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, by the application or with a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body: bytes | None = None
        async with AsyncExitStack() as request:
            try:
                size = self._declared_size(scope)
                memory = self._memory.held(size) if self._memory else nullcontext()
                held = await request.enter_async_context(memory)
                body = await self._read(receive)
                if held and body:
                    await held.change(memory_of(body))
            except Refused as refused:
                refused.unread = refused.unread and body is None
                await answer_refused(refused, self._refuse, scope, receive, send)
                return
            if body is not None:
                await self._app(scope, replay(body, receive), send)

    def _declared_size(self, scope: Scope) -> int:
        """The size of the body that follows, or the largest if it is not declared."""
        encodings = [value.strip().lower() for value in _values(scope, b"content-encoding")]
        if any(encoding not in (b"", b"identity") for encoding in encodings):
            raise Refused(415, "A compressed body is not accepted. Send it without compression.")
        lengths = _values(scope, b"content-length")
        # Servers refuse most of these themselves; what they let through, one would read shorter
        # than the other.
        if len(set(lengths)) > 1 or (lengths and _values(scope, b"transfer-encoding")):
            raise Refused(400, "The request declares the size of its body more than once.")
        if self._memory and scope.get("method") in _WITHOUT_A_BODY:
            if _values(scope, b"transfer-encoding") or lengths not in ([], [b"0"]):
                raise Refused(400, f"A {scope['method']} request has no body.")
            return 0
        if not lengths:
            return self._max_bytes if _values(scope, b"transfer-encoding") else 0
        if not lengths[0].isdigit():
            raise Refused(400, "Content-Length must be a number.")
        digits = lengths[0].lstrip(b"0")
        # Python does not convert thousands of digits.
        if len(digits) > len(str(self._max_bytes)) or int(digits or b"0") > self._max_bytes:
            raise self._too_large()
        return int(digits or b"0")

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


def replay(body: bytes, receive: Receive) -> Receive:
    """Messages for the application: the body that has been read, then those after it."""
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
