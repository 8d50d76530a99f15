"""Callers: a tenant for its own people, or the operator."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from core.services.billing.contract import ApiError
from core.services.credentials import is_same
from core.services.log import log
from core.services.settings import billing_secrets

_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False)
_WRONG = "The key is missing or not valid."


async def tenant_of(request: Request) -> str:
    """The slug of the tenant whose key was sent.

    Raises:
        ApiError: it is nobody's.
    """
    key, state = request.headers.get("x-api-key", ""), request.app.state
    tenant: str | None = await state.credentials.tenant_of(state.pocketbase, key)
    if tenant is None:
        raise ApiError(401, _WRONG)
    return tenant


def is_known(key: str) -> bool:
    """Whether a key may be somebody's, without asking whether it still counts."""
    told = billing_secrets()
    known = (told.operator_key, *told.tenant_keys.values(), *told.previous_tenant_keys.values())
    return sum(is_same(key, right) for right in known) > 0


def check_tenants(own: str, asked: set[str]) -> None:
    """Log and refuse what is not about the key's own tenant.

    Raises:
        ApiError: it is about another.
    """
    if others := sorted(asked - {own}):
        log("key_of_another_tenant", key_of=own, asked=others[0][:64])
        raise ApiError(401, "The key is another tenant's.")


def check_operator(key: Annotated[str | None, Depends(_HEADER)]) -> None:
    """Refuse whoever is not the operator."""
    if not is_same(key or "", billing_secrets().operator_key):
        raise ApiError(401, _WRONG)
