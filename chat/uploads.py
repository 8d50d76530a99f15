"""Files of people: how large, how many, and how many at once."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any
from weakref import WeakValueDictionary

from asgi.body_limit import BodyLimit, Refuse
from chat.names import App, Receive, Scope, Send

AccountOf = Callable[[Scope], Awaitable[str | None]]

_MEBIBYTE = 1024 * 1024
_FILES = "/api/v1/files/"
_AT_ONCE = 2
"""Each costs the container a multiple of its size while it is read and stored."""

_ENVELOPE = 256 * 1024
"""Bytes of a form besides its file."""


class Uploads:
    """Wraps the chat's application: bodies are bounded, and few files come at a time.

    Args:
        app: gets what is small enough.
        max_bytes: the size of the largest file.
        max_body_bytes: the size of the largest body of any other request.
        account_of: the account that a request shows a login of; None if there is none.
    """

    def __init__(
        self,
        app: App,
        *,
        max_bytes: int,
        max_body_bytes: int,
        account_of: AccountOf,
    ) -> None:
        largest = f"A file may have {max_bytes // _MEBIBYTE} MiB at most."
        self._uploads = BodyLimit(app, max_bytes=max_bytes + _ENVELOPE, refuse=_refusal(largest))
        self._others = BodyLimit(app, max_bytes=max_body_bytes, refuse=_refusal(""))
        self._account_of = account_of
        self._turn = asyncio.Semaphore(_AT_ONCE)
        # One of each account, so that a slow person does not have all turns.
        self._accounts = WeakValueDictionary[str, asyncio.Lock]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request when it is its turn."""
        is_upload = scope["type"] == "http" and scope["method"] == "POST"
        if not is_upload or not scope["path"].startswith(_FILES):
            await self._others(scope, receive, send)
        elif account := await self._account_of(scope):
            async with self._accounts.setdefault(account, asyncio.Lock()), self._turn:
                await self._uploads(scope, receive, send)
        else:
            await _unknown(send)


def uploader(
    decode: Callable[[str], Mapping[str, Any] | None], by_api_key: Callable[[str], Awaitable[Any]]
) -> AccountOf:
    """Tells whose login a request shows.

    Args:
        decode: what a session's token says; None if nobody here has signed it.
        by_api_key: the account that a key of the chat's API belongs to; None if there is none.
    """

    async def account_of(scope: Scope) -> str | None:
        token = _token(scope)
        if token.startswith("sk-"):
            account = await by_api_key(token)
            return str(account.id) if account else None
        session = decode(token)
        return str(session["id"]) if session and session.get("id") else None

    return account_of


def _token(scope: Scope) -> str:
    headers: dict[bytes, str] = {name: value.decode("latin-1") for name, value in scope["headers"]}
    token = headers.get(b"authorization", "").removeprefix("Bearer ").strip()
    if token:
        return token
    try:
        cookie = SimpleCookie(headers.get(b"cookie", "")).get("token")
    except CookieError:
        return ""
    return cookie.value if cookie else ""


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
