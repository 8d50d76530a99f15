"""One model by its name, which may have slashes; LiteLLM's own route ends at the first."""

from fastapi import Depends, FastAPI
from litellm.proxy import proxy_server
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth

PATHS = ("/v1/models/{model_id:path}", "/models/{model_id:path}")


def add_routes(app: FastAPI) -> None:
    """Answer in front of LiteLLM's own route, as it does."""
    for path in PATHS:
        app.add_api_route(
            path,
            proxy_server.model_info,
            methods=["GET"],
            dependencies=[Depends(user_api_key_auth)],
            include_in_schema=False,
        )
        app.router.routes.insert(0, app.router.routes.pop())
