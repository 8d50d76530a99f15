"""The program of the gateway's container: LiteLLM's application, behind what bounds and closes it.

    python3 -P -m gateway.adapter.app

A request passes what tells its errors, the routes that its key may call, the limit of its body,
and what a body may hold. Only then LiteLLM sees it. `LITELLM_CONFIG` names LiteLLM's own
configuration.
"""

import os
from contextlib import suppress
from socket import socket

import litellm
import uvicorn
from fastapi import Request, Response
from litellm.proxy import proxy_server
from litellm.proxy.proxy_cli import run_server
from litellm.proxy.shutdown.graceful_shutdown_manager import GracefulShutdownManager
from litellm.router_utils.cooldown_cache import CooldownCache
from redis.exceptions import RedisError

from asgi.body_limit import App, BodyLimit, BodyMemory
from asgi.header_timeout import HeaderTimeout
from gateway import log
from gateway.adapter import count_tokens
from gateway.callers import routes_of
from gateway.errors import PlainErrors
from gateway.failure import error_body
from gateway.json_body import JsonBody
from gateway.routes import ClosedRoutes
from gateway.settings import settings

PORT = 4000


def application() -> App:
    """LiteLLM's application, wrapped."""
    count_tokens.add_route(proxy_server.app)
    proxy_server.app.add_route("/", _is_there, methods=["HEAD"], include_in_schema=False)
    checked = JsonBody(proxy_server.app, cache_seconds=settings().cache_ttl_seconds)
    limited = BodyLimit(
        checked,
        max_bytes=settings().max_body_bytes,
        memory=BodyMemory(settings().body_memory_bytes),
        refuse=error_body,
    )
    closed = ClosedRoutes(limited, routes_of=routes_of, refuse=error_body)
    return PlainErrors(closed)


async def end_cooldowns() -> None:
    """Take up every deployment that was left out: this may be the configuration that mends it."""
    router = proxy_server.llm_router
    redis = router.cache.redis_cache if router else None
    if redis:
        with suppress(RedisError, OSError):
            for model_id in router.get_model_ids():
                await redis.async_delete_cache(CooldownCache.get_cooldown_cache_key(model_id))


async def _is_there(_request: Request) -> Response:
    """The route by which Claude Code asks whether there is a gateway."""
    return Response()


class _Server(uvicorn.Server):
    """A server whose log has no words of requests once it serves them."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start, while everything that is printed helps whoever looks for what is wrong."""
        await super().startup(sockets)
        await end_cooldowns()
        log.take_over()  # from the handlers that LiteLLM has made meanwhile
        if self.started:
            log.keep_quiet()


def main() -> None:
    """Run until a signal ends it; what is under way is finished first."""
    log.take_over()
    litellm.suppress_debug_info = True
    # What LiteLLM does before it serves: its settings, and its database if it has one.
    prepare = ["--config", os.environ["LITELLM_CONFIG"], "--skip_server_startup"]
    run_server.main(prepare, standalone_mode=False)
    config = uvicorn.Config(
        application(),
        host="0.0.0.0",  # noqa: S104 - in its container
        port=PORT,
        http=HeaderTimeout,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(GracefulShutdownManager.get_timeout()),
    )
    _Server(config).run()


if __name__ == "__main__":
    main()
