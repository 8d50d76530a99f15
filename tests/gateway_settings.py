"""The settings of a gateway in tests: a tenant with budgets, no keys and no limits."""

from decimal import Decimal
from typing import Any

from gateway.settings import Billing, Limits, Settings

NO_LIMITS = Limits(requests_per_minute=None, tokens_per_minute=None)


def gateway_settings(
    url: str, *, tenant: str = "blue", login: bool = False, **billing: Any
) -> Settings:
    """Settings whose Billing API is at `url`; `billing` is what differs from its usual."""
    usual: dict[str, Any] = {
        "check_path": "/api/check-budget",
        "log_path": "/api/log-usage",
        "batch": 100,
        "grace_seconds": 600,
        "contract": 1,
        "user_id": "email",
        "currency": None,
        "usd_rate": Decimal(1),
    }
    return Settings(
        tenant=tenant,
        account=f"api@{tenant}",
        login=login,
        billing=Billing(url=url, **usual | billing),
        markup_percent=Decimal(0),
        person=NO_LIMITS,
        keys=(),
        max_body_bytes=1_000_000,
        body_memory_bytes=1_000_000,
        longest_request_seconds=60,
    )
