"""Who asks: a tenant for its own people, or the operator."""

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from core.services.billing.contract import ApiError
from core.services.log import log
from core.services.settings import billing_secrets

_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False)
_WRONG = "The key is missing or not valid."


def tenant_of(request: Request) -> str:
    """The slug of the tenant whose key was sent.

    Raises:
        ApiError: it is nobody's.
    """
    key = request.headers.get("x-api-key", "")
    # All of them, however early one fits: the time tells nothing.
    found = [slug for slug, right in billing_secrets().tenant_keys.items() if _same(key, right)]
    if not found:
        raise ApiError(401, _WRONG)
    return found[0]


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
    if not _same(key or "", billing_secrets().operator_key):
        raise ApiError(401, _WRONG)


def _same(given: str, right: str) -> bool:
    return bool(right) and hmac.compare_digest(given.encode(), right.encode())
