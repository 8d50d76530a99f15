"""The chat answers under the names of the tenant's file, and says elsewhere where it is.

Under another name a page would load, and its live connection would be refused: a message would be
paid for, and its answer never shown.
"""

import html
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = frozenset({"/health", "/health/db", "/ready"})
"""Paths that the container itself asks for, under no name of the chat."""

_LOGIN = "/oauth/oidc/login"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = {"http": "80", "https": "443"}

_PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Another address</title>
<body style="font: 1.1rem sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>The chat is at another address</h1>
<p>{message}</p>
<p><a href="{url}">{url}</a></p>
"""


class Names:
    """Wraps the chat's application.

    Args:
        app: gets the requests for one of the names.
        url: where the chat is; a login begins and ends there.
        names: host[:port] of each address that people open.
    """

    def __init__(self, app: App, *, url: str, names: Iterable[str]) -> None:
        self._app = app
        self._url = url
        self._names = frozenset(plain(name) for name in names)
        self._main = plain(url.partition("://")[2])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or lead a login to the address that it returns to."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in HEALTH:
            await self._app(scope, receive, send)
            return
        host = plain(header(scope, b"host"))
        if host not in self._names:
            message = f"The chat is not answered under “{host}”. Open {self._url} instead."
            await self._refuse(scope, receive, send, 421, message)
        elif not self._comes_from_here(scope):
            message = "Another site's page must not use the chat in a person's name."
            await self._refuse(scope, receive, send, 403, message)
        elif scope["path"] == _LOGIN and host != self._main:
            query = scope["query_string"].decode("latin-1")
            await _redirect(send, f"{self._url}{_LOGIN}{'?' if query else ''}{query}")
        else:
            await self._app(scope, receive, send)

    def _comes_from_here(self, scope: Scope) -> bool:
        if scope["type"] == "http" and scope["method"] in _SAFE:
            return True  # what another site may read is the browser's to say, by CORS
        origin = header(scope, b"origin")
        if not origin:
            return True  # no browser
        scheme, _, host = origin.partition("://")
        return scheme in _PORTS and plain(host) in self._names

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, status: int, message: str
    ) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if "text/html" in header(scope, b"accept"):
            text = _PAGE.format(message=html.escape(message), url=html.escape(self._url))
            kind = b"text/html; charset=utf-8"
        else:
            text, kind = json.dumps({"detail": message}), b"application/json"
        headers = [(b"content-type", kind), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})


async def _redirect(send: Send, url: str) -> None:
    headers = [(b"location", url.encode("latin-1")), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def header(scope: Scope, name: bytes) -> str:
    """A header that a request has once; empty otherwise."""
    values = [value for header, value in scope["headers"] if header == name]
    return values[0].decode("latin-1").strip() if len(values) == 1 else ""


def plain(host: str) -> str:
    """Host and port as they are compared: in small letters, without the scheme's own port."""
    name = host.lower()
    head, colon, port = name.rpartition(":")
    return head if colon and port in _PORTS.values() else name
