"""Middleware of every request: the names we answer to, and the headers of every answer."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.services.settings import settings
from core.services.web.language import texts_for
from core.services.web.pages import content_policy, page

FOR_PROGRAMS = {
    "/.well-known/openid-configuration",
    "/jwks.json",
    "/token",
    "/userinfo",
    "/health",
}
"""Paths for tenants' containers, under the internal names; the rest is for browsers."""

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": content_policy(),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class PolicyMiddleware:
    """An app around another: it answers to our own names only, and always with our headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _headers(scope["path"]).items():
                    headers.setdefault(name, value)
            await send(message)

        app = self._app if _is_asked_rightly(scope) else _elsewhere
        await app(scope, receive, send_with_headers)


def host(url: str) -> str:
    """The header `Host` of a request for a URL."""
    return urlsplit(url).netloc.lower()


def internal_url(asked: str) -> str | None:
    """The internal address that the header `Host` is of, if it is of one."""
    return next((url for url in settings().internal_urls if host(url) == asked.lower()), None)


def _is_asked_rightly(scope: Scope) -> bool:
    asked = Headers(scope=scope).get("host", "").lower()
    if asked == host(settings().public_url) or scope["path"] == "/health":
        return True
    return internal_url(asked) is not None and scope["path"] in FOR_PROGRAMS


async def _elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    request, url = Request(scope), settings().public_url
    message = texts_for(request)("error.elsewhere", url=url)
    await page(request, "error.html", status=421, message=message, back=url)(scope, receive, send)


def _headers(path: str) -> dict[str, str]:
    headers = dict(_HEADERS)
    if path.startswith("/static/"):
        headers["cache-control"] = "no-cache"  # kept, and asked for whether it is still the same
    if settings().public_url.startswith("https:"):
        headers["strict-transport-security"] = "max-age=31536000"
    return headers
