"""Files of people: how large, how many, and how many at once."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus

from chat.names import App, Receive, Scope, Send
from gateway.body_limit import BodyLimit, Refuse

_MEBIBYTE = 1024 * 1024
_FILES = "/api/v1/files/"
_AT_ONCE = 2
"""Each costs the container a multiple of its size while it is read and stored."""

_ENVELOPE = 256 * 1024
"""What a form has besides its file."""


class Uploads:
    """Wraps the chat's application: bodies are bounded, and few files come at a time.

    Args:
        app: gets what is small enough.
        max_bytes: the size of the largest file.
        max_body_bytes: the size of the largest body of any other request.
        may_upload: whether a request shows a login.
    """

    def __init__(
        self,
        app: App,
        *,
        max_bytes: int,
        max_body_bytes: int,
        may_upload: Callable[[Scope], bool],
    ) -> None:
        largest = f"A file may have {max_bytes // _MEBIBYTE} MiB at most."
        self._uploads = BodyLimit(app, max_bytes=max_bytes + _ENVELOPE, refuse=_refusal(largest))
        self._others = BodyLimit(app, max_bytes=max_body_bytes, refuse=_refusal(""))
        self._may_upload = may_upload
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request when it is its turn."""
        is_upload = scope["type"] == "http" and scope["method"] == "POST"
        if not is_upload or not scope["path"].startswith(_FILES):
            await self._others(scope, receive, send)
        elif not self._may_upload(scope):
            await _unknown(send)
        else:
            async with self._turn:
                await self._uploads(scope, receive, send)


def _refusal(too_large: str) -> Refuse:
    """Makes the body of an answer that Open WebUI's page shows."""

    def refuse(_scope: Scope, status: int, message: str) -> bytes:
        words = too_large if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else ""
        return json.dumps({"detail": words or message}).encode()

    return refuse


async def _unknown(send: Send) -> None:
    body = json.dumps({"detail": "Sign in before you upload a file."}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})
