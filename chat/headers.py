"""Headers of every answer of the chat: what a browser may do with it."""

from chat.names import App, Message, Receive, Scope, Send, header, plain

_CONTENT = "; ".join(
    (
        "default-src 'self'",
        # Open WebUI's start page has a script in its text, and runs Python and diagrams as
        # WebAssembly and in workers.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "frame-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)

_HEADERS = {
    b"content-security-policy": _CONTENT.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"SAMEORIGIN",
    b"referrer-policy": b"same-origin",
}


class Headers:
    """Wraps the chat's application.

    Args:
        app: whose answers get the headers.
        url: where the chat is; its other names may be addresses without encryption.
    """

    def __init__(self, app: App, *, url: str) -> None:
        self._app = app
        scheme, _, host = url.partition("://")
        self._encrypted = plain(host) if scheme == "https" else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        by_proxy = plain(header(scope, b"host")) == self._encrypted
        encrypted = by_proxy or scope.get("scheme") == "https"

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_headers(message.get("headers", []), encrypted)
            await send(message)

        await self._app(scope, receive, send_more)


def _with_headers(headers: list[tuple[bytes, bytes]], encrypted: bool) -> list[tuple[bytes, bytes]]:
    kept = [
        (name, _secure(value) if encrypted and name.lower() == b"set-cookie" else value)
        for name, value in headers
    ]
    present = {name.lower() for name, _ in kept}
    return kept + [(name, value) for name, value in _HEADERS.items() if name not in present]


def _secure(cookie: bytes) -> bytes:
    """A cookie that the browser sends over https alone."""
    return cookie if b"; secure" in cookie.lower() else cookie + b"; Secure"
