"""Settings of the gateway, from the tenant's file: `gateway.json`, beside this package.

`components.services.gateway_config` fills these very types. Secrets are in the environment:
`BILLING_API_KEY`, and `API_KEY_<NAME>` for each key.
"""

import os
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).parent.parent / "gateway.json"


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Billing(_Settings):
    """The Billing API.

    Attributes:
        batch: most events sent at once; 1 is for a service that takes no lists.
        grace_seconds: how long its last answer counts while it is away.
        contract: version of `docs/billing-api.yaml` that it speaks.
        user_id: what a person is named by.
        currency: of the budgets, three letters; None if the tenant's file does not say.
        usd_rate: what a US dollar is in that currency.
    """

    url: str
    check_path: str
    log_path: str
    batch: int
    grace_seconds: int
    contract: Literal[1, 2]
    user_id: Literal["email", "subject"]
    currency: str | None
    usd_rate: Decimal


class Limits(_Settings):
    """Of one person, or of one key; a limit of None does not exist."""

    requests_per_minute: int | None
    tokens_per_minute: int | None


class ApiKey(Limits):
    """A program's key. `models` of None are all of them."""

    name: str
    user: str
    models: tuple[str, ...] | None

    @property
    def secret(self) -> str:
        """The key itself."""
        return os.environ[api_key_env(self.name)]


class Settings(_Settings):
    """Everything that differs between tenants.

    Attributes:
        account: who pays for requests of nobody in particular.
        login: whether people log in at an OpenID provider.
        max_body_bytes: size of the largest body of a request.
        body_memory_bytes: what the bodies of all requests under way may take together.
        longest_request_seconds: after it, a request cannot be under way any more.
        cache_ttl_seconds: how long an answer may be kept; None if none is.
    """

    tenant: str
    account: str
    login: bool
    billing: Billing | None
    markup_percent: Decimal
    person: Limits
    keys: tuple[ApiKey, ...]
    max_body_bytes: int
    body_memory_bytes: int
    longest_request_seconds: int
    cache_ttl_seconds: int | None = None

    @property
    def billed(self) -> Billing:
        """The Billing API of a tenant that has one.

        Raises:
            LookupError: it has none.
        """
        if self.billing is None:
            raise LookupError("the tenant's file has no `billing`")
        return self.billing

    @property
    def billed_by_subject(self) -> bool:
        """Whether the Billing API knows people by the OpenID provider's subject."""
        return self.billing is not None and self.billing.user_id == "subject"


def api_key_env(name: str) -> str:
    """Variable that holds the key of a program."""
    return f"API_KEY_{name.upper().replace('-', '_')}"


@cache
def settings() -> Settings:
    """The settings of this container."""
    return Settings.model_validate_json(FILE.read_text(encoding="utf-8"))
