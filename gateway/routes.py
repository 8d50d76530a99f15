"""ASGI middleware that closes every route but those that are listed.

LiteLLM has hundreds of routes, some of which ask for no key; more are loaded when they are called.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache

from asgi.body_limit import App, Receive, Refuse, Refused, Scope, Send, answer_refused

OPEN_ROUTES = (
    "/",
    "/docs",
    "/openapi.json",
    "/swagger/{file}",
    "/health/liveliness",
    "/health/liveness",
    "/health/readiness",
    "/health/guard",
)
"""Routes for everybody: whether the gateway works, and the page that documents it."""

# In the order in which LiteLLM takes them.
_KEY_HEADERS = (
    b"x-litellm-api-key",
    b"authorization",
    b"api-key",
    b"x-api-key",
    b"x-goog-api-key",
    b"ocp-apim-subscription-key",
)

RoutesOf = Callable[[str], Iterable[str] | None]
"""The routes that a key may call; None for a key that is not known."""


class ClosedRoutes:
    """Lets a request to a listed route through, by the very path that decides what is run.

    Args:
        app: gets the requests to listed routes.
        routes_of: tells the routes that a key may call.
        refuse: makes the bodies of refusals.
    """

    def __init__(self, app: App, *, routes_of: RoutesOf, refuse: Refuse) -> None:
        self._app = app
        self._routes_of = routes_of
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http" or self._is_open(scope):
            await self._app(scope, receive, send)
        else:
            routes = self._routes_of(api_key(scope))
            if routes is None:
                refused = Refused(401, "The API key is missing or not valid.")
                await answer_refused(refused, self._refuse, scope, receive, send)
            elif not is_listed(scope["path"], routes):
                refused = Refused(403, "This key is not allowed to call this route.")
                await answer_refused(refused, self._refuse, scope, receive, send)
            else:
                await self._app(scope, receive, send)

    @staticmethod
    def _is_open(scope: Scope) -> bool:
        if scope["method"] in ("GET", "HEAD"):
            return is_listed(scope["path"], OPEN_ROUTES)
        # A browser's question before a request, which is answered without running a route.
        names = {name for name, _ in scope["headers"]}
        return (
            scope["method"] == "OPTIONS"
            and {
                b"origin",
                b"access-control-request-method",
            }
            <= names
        )


def api_key(scope: Scope) -> str:
    """The key of a request; empty if there is none."""
    headers = dict(reversed(scope["headers"]))
    for name in _KEY_HEADERS:
        if name in headers:
            value = str(headers[name].decode("latin-1"))
            return re.sub(r"^(?:bearer|basic) +", "", value, flags=re.IGNORECASE).strip()
    return ""


def is_listed(path: str, routes: Iterable[str]) -> bool:
    """Whether a path is one of the routes; LiteLLM takes `/v1/…` without `/v1`, too."""
    return any(_pattern(route).fullmatch(path) for route in routes)


@cache
def _pattern(route: str) -> re.Pattern[str]:
    """A name in braces stands for a part of the path, and at the end for the rest of it."""
    optional = "(?:/v1)?" if route.startswith("/v1/") else ""
    parts = re.split(r"\{\w+\}", route.removeprefix("/v1") if optional else route)
    texts = [re.escape(part) for part in parts]
    *middle, last = texts
    if not last and middle:
        return re.compile(optional + "[^/]+".join(middle) + "[^/].*")
    return re.compile(optional + "[^/]+".join(texts))
