"""Who may use the gateway: LiteLLM asks `authenticate` about every request.

The environment carries the keys `LITELLM_MASTER_KEY` and `OPENWEBUI_API_KEY`, and the secret
`OPENWEBUI_JWT_SECRET` that Open WebUI signs with; the keys of programs are in `gateway.settings`.
"""

import hmac
import os
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import litellm
from fastapi import Request
from litellm.constants import LITELLM_PROXY_ADMIN_NAME, LITELLM_PROXY_MASTER_KEY_ALIAS
from litellm.proxy._types import LitellmUserRoles, ProxyException, UserAPIKeyAuth
from litellm.proxy.common_utils.http_parsing_utils import read_request_body

from gateway import refusal
from gateway.json_body import is_checked, keep_body
from gateway.payer import InvalidIdentityError, Payer, account_payer, chat_payer, program_payer
from gateway.request_policy import PASSED, RequestError, has_json_body, route_of, validate_body
from gateway.settings import ApiKey, settings

USER_HEADER = "x-openwebui-user-jwt"

# What a chat needs, and what lies below.
CHAT_ROUTES = (
    "/v1/models",
    "/v1/models/{model}",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/images/generations",
)
PROGRAM_ROUTES = (
    *CHAT_ROUTES,
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/v1/responses/{response}",
)
ADMIN_ROUTES = (
    "/model/info",
    "/v1/model/info",
    "/v2/model/info",
    "/model_group/info",
    "/get/config/callbacks",
    "/active/callbacks",
    "/routes",
    "/cache/ping",
    "/cache/redis/info",
    "/cache/delete",
    "/metrics",
)

# What costs nothing about a model, and about an answer that a provider keeps: LiteLLM's names of
# answers say whose they are, and it refuses them to others.
_DETAILS = (
    ("GET", re.compile("/v1/models/.+"), "/v1/models/{model}"),
    ("GET", re.compile("/v1/responses/[^/]+(/input_items)?"), "/v1/responses/{response}"),
    ("DELETE", re.compile("/v1/responses/[^/]+"), "/v1/responses/{response}"),
    ("POST", re.compile("/v1/responses/[^/]+/cancel"), "/v1/responses/{response}"),
)

# LiteLLM takes headers of this name for orders, such as not to retry or whom to bill.
_ORDERS = "x-litellm-"

# LiteLLM fills an end user of None from what the caller wrote into the body or a header.
NOBODY = ""

# Where a caller's payer is in what LiteLLM keeps of a caller.
_PAYER = "cloudfreedom_payer"


async def authenticate(request: Request, api_key: str | None) -> UserAPIKeyAuth:
    """Whom a request is from.

    The routes that hand a request through to a provider, past its price, are nobody's.

    Raises:
        ProxyException: the key is not known (401), or must not do this (403).
    """
    holder = _holder(api_key)
    if holder is None:
        raise _refusal(401, "The API key is missing or not valid.")
    caller = holder.caller(request)
    route = route_of(request.scope)
    if not _is_open(route, request, holder.routes):
        raise _refusal(403, "This key is not allowed to call this route.")
    if any(name.startswith(_ORDERS) for name in request.headers):
        raise _refusal(403, f"Headers that begin with {_ORDERS} are not accepted.")
    if settings().billing and not is_guarded():
        raise _refusal(503, "The gateway runs without its budget guard, so it answers nothing.")
    if route in PASSED:
        await _check_body(route, request)
    else:
        # LiteLLM would let only an administrator look up one model.
        caller.allowed_routes = [route]
    return caller


def check_models(caller: UserAPIKeyAuth, model: object) -> None:
    """Refuse a model that a key is not for.

    Raises:
        Refusal: it is not.
    """
    if caller.models and model not in caller.models:
        raise refusal.not_allowed(f"This key is for {', '.join(caller.models)} only.")


def proxy_exception(refused: refusal.Refusal) -> ProxyException:
    """A refusal as LiteLLM hands it to the caller."""
    return ProxyException(
        message=str(refused),
        type=refused.kind,
        param=refused.param,
        code=refused.status,
        openai_code=refused.kind if refused.kind.startswith("budget_") else None,
        headers=refused.headers or None,
    )


def payer(caller: UserAPIKeyAuth) -> Payer:
    """The payer of a request that was let in."""
    return Payer(**caller.metadata[_PAYER])


def routes_of(api_key: str) -> tuple[str, ...] | None:
    """The routes that a key may call; None for a key that is not known."""
    holder = _holder(api_key)
    return holder.routes if holder else None


class _Holder(NamedTuple):
    """The caller that a key is of."""

    routes: tuple[str, ...]
    caller: Callable[[Request], UserAPIKeyAuth]


def _holder(api_key: str | None) -> _Holder | None:
    if _is(api_key, os.environ["LITELLM_MASTER_KEY"]):
        return _Holder((*PROGRAM_ROUTES, *ADMIN_ROUTES), _administrator)
    if _is(api_key, os.environ["OPENWEBUI_API_KEY"]):
        return _Holder(CHAT_ROUTES, _chat)
    for key in settings().keys:
        if _is(api_key, key.secret):
            return _Holder(PROGRAM_ROUTES, partial(_program, key))
    return None


def _is(api_key: str | None, expected: str) -> bool:
    return bool(api_key) and hmac.compare_digest(str(api_key).encode(), expected.encode())


def _is_open(route: str, request: Request, routes: tuple[str, ...]) -> bool:
    """Whether a key with these routes may call a route."""
    if route in routes:
        return route not in PASSED or request.method == "POST"
    path = route if route.startswith("/v1/") else f"/v1{route}"
    return any(
        request.method == method and pattern.fullmatch(path) and listed in routes
        for method, pattern, listed in _DETAILS
    )


async def _check_body(route: str, request: Request) -> None:
    """See to it that the body was checked, and check the fields of a form."""
    if is_checked(request.scope):
        return
    if has_json_body(request.scope):
        raise _refusal(503, "The gateway runs without its body check, so it answers nothing.")
    fields = await read_request_body(request)
    try:
        checked = validate_body(route, fields, cache_seconds=settings().cache_ttl_seconds)
        if checked.dropped:  # LiteLLM reads a form twice
            name = checked.dropped[0]
            raise RequestError(f"`{name}` cannot be set in a request to {route}.", name)
    except RequestError as error:
        raise proxy_exception(refusal.bad_request(str(error), error.param)) from None
    keep_body(request.scope, checked)


def is_guarded() -> bool:
    """Whether LiteLLM has loaded the guard."""
    return any(getattr(callback, "guards_budgets", False) for callback in litellm.callbacks)


def _administrator(_request: Request) -> UserAPIKeyAuth:
    return UserAPIKeyAuth(
        api_key=LITELLM_PROXY_MASTER_KEY_ALIAS,
        user_id=LITELLM_PROXY_ADMIN_NAME,
        user_role=LitellmUserRoles.PROXY_ADMIN,
        end_user_id=NOBODY,
        metadata={_PAYER: account_payer(settings()).record()},
    )


def _chat(request: Request) -> UserAPIKeyAuth:
    limits = settings().person
    header = request.headers.get(USER_HEADER)
    try:
        payer = chat_payer(header, os.environ["OPENWEBUI_JWT_SECRET"], settings())
    except InvalidIdentityError as error:
        raise _refusal(401, str(error)) from None
    return UserAPIKeyAuth(
        api_key="openwebui",
        key_alias="openwebui",
        user_role=LitellmUserRoles.INTERNAL_USER,
        # The limits are a person's; the tenant's account has none.
        end_user_id=NOBODY if payer == account_payer(settings()) else payer.key,
        metadata={_PAYER: payer.record()},
        end_user_rpm_limit=limits.requests_per_minute,
        end_user_tpm_limit=limits.tokens_per_minute,
    )


def _program(key: ApiKey, _request: Request) -> UserAPIKeyAuth:
    return UserAPIKeyAuth(
        api_key=f"program-{key.name}",
        key_alias=key.name,
        user_id=key.user,
        user_role=LitellmUserRoles.INTERNAL_USER,
        end_user_id=NOBODY,
        metadata={_PAYER: program_payer(key).record()},
        models=list(key.models or ()),
        rpm_limit=key.requests_per_minute,
        tpm_limit=key.tokens_per_minute,
    )


def _refusal(status: int, message: str) -> ProxyException:
    kinds = {401: "invalid_request_error", 403: "permission_error", 503: "budget_unknown"}
    return ProxyException(message=message, type=kinds[status], param=None, code=status)
