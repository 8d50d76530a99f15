"""What the tenant's file says about its gateway: `gateway.json`, beside this package.

Secrets are in the environment: `BILLING_API_KEY`, and `API_KEY_<NAME>` for each key.
"""

import json
import os
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent.parent / "gateway.json"


@dataclass(frozen=True, kw_only=True)
class Billing:
    """The Billing API.

    Attributes:
        batch: most events sent at once; 1 is for a service that takes no lists.
        grace_seconds: how long its last answer counts while it is away.
    """

    url: str
    check_path: str
    log_path: str
    batch: int
    grace_seconds: int
    api_key: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of one person, or of one key; a limit of None does not exist."""

    requests_per_minute: int | None
    tokens_per_minute: int | None


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A program's key. `models` of None are all of them."""

    name: str
    user: str
    models: tuple[str, ...] | None
    limits: Limits
    secret: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that differs between tenants.

    Attributes:
        account: who pays for requests of nobody in particular.
        longest_request_seconds: after it, a request cannot be under way any more.
    """

    tenant: str
    account: str
    billing: Billing | None
    markup_percent: Decimal
    person: Limits
    keys: tuple[ApiKey, ...]
    longest_request_seconds: int

    @property
    def billed(self) -> Billing:
        """The Billing API of a tenant that has one.

        Raises:
            LookupError: it has none.
        """
        if self.billing is None:
            raise LookupError("the tenant's file has no `billing`")
        return self.billing


@cache
def settings() -> Settings:
    """The settings of this container."""
    read = json.loads(FILE.read_text(encoding="utf-8"))
    billing = read["billing"]
    return Settings(
        tenant=read["tenant"],
        account=read["account"],
        billing=Billing(**billing, api_key=os.environ["BILLING_API_KEY"]) if billing else None,
        markup_percent=Decimal(read["markup_percent"]),
        person=Limits(**read["person"]),
        keys=tuple(_key(**key) for key in read["keys"]),
        longest_request_seconds=read["longest_request_seconds"],
    )


def _key(
    *,
    name: str,
    user: str,
    models: list[str] | None,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
) -> ApiKey:
    return ApiKey(
        name=name,
        user=user,
        models=None if models is None else tuple(models),
        limits=Limits(requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute),
        secret=os.environ[f"API_KEY_{name.upper().replace('-', '_')}"],
    )
