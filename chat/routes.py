"""Which of Open WebUI's routes answer."""

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

from chat.config import ChatConfig
from chat.names import Receive, Scope, Send

_ALWAYS_CLOSED = (
    # The tenant's file says who logs in, and how.
    "/api/v1/auths/admin/config/oauth",
    "/api/v1/auths/ldap",
    "/api/v1/auths/oauth/{provider}/token/exchange",
    "/api/v1/configs/import",
    # Tokens of people, and the database.
    "/api/v1/users/{user_id}/oauth/sessions",
    "/api/v1/utils/db/download",
)
_PLUGINS = (
    "/api/v1/configs/code_execution",
    "/api/v1/configs/oauth/clients",
    "/api/v1/configs/terminal_servers",
    "/api/v1/configs/tool_servers",
    "/api/v1/functions/",
    "/api/v1/pipelines/",
    "/api/v1/terminals/",
    "/api/v1/tools/",
    "/api/v1/utils/code/execute",
    "/oauth/clients/",
)

_WORDS = "This is closed: the tenant's file does not open {key}. Ask the operator of this chat."


def named(route: Any) -> str:
    """A route as the list names it: its path, and the methods that it answers to."""
    return " ".join([route.path, ",".join(sorted(getattr(route, "methods", None) or ()))]).strip()


def listed() -> frozenset[str]:
    """The routes that are open in every chat."""
    text = (files("chat") / "open_routes.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def closed(routes: Iterable[Any], config: ChatConfig) -> Iterator[Any]:
    """The routes that do not answer in this chat."""
    open_routes = listed()
    for route in routes:
        is_page = not route.path  # the pages themselves are mounted without a path
        if not is_page and named(route) not in open_routes and not _opened(route.path, config):
            yield route


def _opened(path: str, config: ChatConfig) -> bool:
    if path.startswith(_ALWAYS_CLOSED):
        return False
    return config.plugins if path.startswith(_PLUGINS) else config.connections


def install(app: Any, config: ChatConfig) -> None:
    """Have the closed routes of an application refuse in words."""
    for route in closed(app.routes, config):
        key = "openwebui.plugins" if route.path.startswith(_PLUGINS) else "openwebui.connections"
        route.app = _Closed(_WORDS.format(key=f"`{key}`"))


class _Closed:
    """In the place of a route's application."""

    def __init__(self, message: str) -> None:
        self._body = json.dumps({"detail": message}).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})
