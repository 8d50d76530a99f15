"""Who may use the gateway: LiteLLM asks `authenticate` about every request.

The environment carries the keys `LITELLM_MASTER_KEY` and `OPENWEBUI_API_KEY`, the secret
`OPENWEBUI_JWT_SECRET` that Open WebUI signs with, and the limits of each person in
`USER_REQUESTS_PER_MINUTE` and `USER_TOKENS_PER_MINUTE`; a limit that is not set does not exist.
"""

import hmac
import os
from typing import Any

import jwt
from fastapi import Request
from litellm.constants import LITELLM_PROXY_ADMIN_NAME, LITELLM_PROXY_MASTER_KEY_ALIAS
from litellm.proxy._types import LitellmUserRoles, ProxyException, UserAPIKeyAuth

USER_HEADER = "x-openwebui-user-jwt"

# What a chat needs, and what lies below. The rest is refused, above all the routes that hand a
# request through to a provider without its cost.
CHAT_ROUTES = (
    "/v1/models",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/audio",
    "/v1/images",
)

# LiteLLM fills an end user of None from what the caller wrote into the body or a header.
NOBODY = ""


async def authenticate(request: Request, api_key: str | None) -> UserAPIKeyAuth:
    """Whom a request is from.

    Raises:
        ProxyException: the key is not known (401).
    """
    if _is(api_key, "LITELLM_MASTER_KEY"):
        return _administrator()
    if _is(api_key, "OPENWEBUI_API_KEY"):
        return _chat(request)
    raise ProxyException(
        message="The API key is missing or not valid.",
        type="invalid_request_error",
        param=None,
        code=401,
    )


def _is(api_key: str | None, variable: str) -> bool:
    expected = os.environ.get(variable)
    if not api_key or not expected:
        return False
    return hmac.compare_digest(api_key.encode(), expected.encode())


def _administrator() -> UserAPIKeyAuth:
    return UserAPIKeyAuth(
        api_key=LITELLM_PROXY_MASTER_KEY_ALIAS,
        user_id=LITELLM_PROXY_ADMIN_NAME,
        user_role=LitellmUserRoles.PROXY_ADMIN,
        end_user_id=NOBODY,
    )


def _chat(request: Request) -> UserAPIKeyAuth:
    return UserAPIKeyAuth(
        api_key="openwebui",
        key_alias="openwebui",
        user_role=LitellmUserRoles.INTERNAL_USER,
        allowed_routes=list(CHAT_ROUTES),
        end_user_id=_person(request.headers.get(USER_HEADER)),
        end_user_rpm_limit=_limit("USER_REQUESTS_PER_MINUTE"),
        end_user_tpm_limit=_limit("USER_TOKENS_PER_MINUTE"),
    )


def _person(token: str | None) -> str:
    """E-mail of the person that Open WebUI vouches for."""
    secret = os.environ.get("OPENWEBUI_JWT_SECRET")
    if not token or not secret:
        return NOBODY
    try:
        claims: dict[str, Any] = jwt.decode(
            token, secret, algorithms=["HS256"], options={"require": ["exp", "email"]}
        )
    except jwt.InvalidTokenError:
        return NOBODY
    return str(claims["email"])


def _limit(variable: str) -> int | None:
    value = os.environ.get(variable)
    return int(value) if value else None
