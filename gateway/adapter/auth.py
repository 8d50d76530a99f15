"""Authentication: LiteLLM asks `authenticate` about every request."""

import litellm
from fastapi import Request
from litellm.constants import LITELLM_PROXY_ADMIN_NAME, LITELLM_PROXY_MASTER_KEY_ALIAS
from litellm.proxy._types import LitellmUserRoles, ProxyException, UserAPIKeyAuth
from litellm.proxy.common_utils.http_parsing_utils import read_request_body

from gateway import refusal
from gateway.callers import Caller, key_holder
from gateway.json_body import is_checked, keep_body
from gateway.payer import InvalidIdentityError, Payer
from gateway.request_policy import PASSED, RequestError, has_json_body, route_of, validate_body
from gateway.settings import settings

USER_HEADER = "x-openwebui-user-jwt"

# LiteLLM takes headers of this name for orders, such as not to retry or whom to bill.
_ORDERS = "x-litellm-"

# Where a caller's payer is in what LiteLLM keeps of a caller.
_PAYER = "cloudfreedom_payer"


async def authenticate(request: Request, api_key: str | None) -> UserAPIKeyAuth:
    """The caller of a request.

    The routes that hand a request through to a provider, past its price, are nobody's.

    Raises:
        ProxyException: the key is not known (401), or must not do this (403).
    """
    holder = key_holder(api_key)
    if holder is None:
        raise _refusal(401, "The API key is missing or not valid.")
    try:
        caller = _for_litellm(holder.caller(request.headers.get(USER_HEADER)))
    except InvalidIdentityError as error:
        raise _refusal(401, str(error)) from None
    route = route_of(request.scope)
    if not holder.may_call(request.method, route):
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


def is_guarded() -> bool:
    """Whether LiteLLM has loaded the guard."""
    return any(getattr(callback, "guards_budgets", False) for callback in litellm.callbacks)


def _for_litellm(caller: Caller) -> UserAPIKeyAuth:
    """A caller as LiteLLM keeps one.

    The end user is never None: LiteLLM would fill it from what the caller wrote into the body or a
    header.
    """
    common = {"end_user_id": caller.person, "metadata": {_PAYER: caller.payer.record()}}
    if caller.is_administrator:
        return UserAPIKeyAuth(
            api_key=LITELLM_PROXY_MASTER_KEY_ALIAS,
            user_id=LITELLM_PROXY_ADMIN_NAME,
            user_role=LitellmUserRoles.PROXY_ADMIN,
            **common,
        )
    return UserAPIKeyAuth(
        api_key=caller.key_id,
        key_alias=caller.key_name,
        user_id=caller.user,
        user_role=LitellmUserRoles.INTERNAL_USER,
        models=list(caller.models),
        rpm_limit=caller.limits.requests_per_minute,
        tpm_limit=caller.limits.tokens_per_minute,
        end_user_rpm_limit=caller.person_limits.requests_per_minute,
        end_user_tpm_limit=caller.person_limits.tokens_per_minute,
        **common,
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


def _refusal(status: int, message: str) -> ProxyException:
    kinds = {401: "invalid_request_error", 403: "permission_error", 503: "budget_unknown"}
    return ProxyException(message=message, type=kinds[status], param=None, code=status)
