"""The section `billing`: the service that knows the budgets."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, HttpUrl, model_validator

from schema.diagnostics import Violation, raise_violations
from schema.duration import Duration
from schema.types import DOLLAR, Currency, Section, UrlPath, UsdRate
from tenants.url import ReachableUrl


class UserId(StrEnum):
    """The kind of name that a person has at the Billing API."""

    EMAIL = "email"  # of the last login
    SUBJECT = "subject"  # the login's own name of the person, which never changes


CORE_BILLING = "billing-api"
"""Host name of the core's Billing API."""


class Billing(Section):
    """The Billing API that knows the budgets; without it everybody may spend."""

    url: ReachableUrl = Field(
        HttpUrl("http://billing-api:3000"),
        description="Its address; a name without a dot leads to the Docker host",
    )
    check_path: UrlPath = Field("/api/check-budget", description="Path of the check of a budget")
    log_path: UrlPath = Field("/api/log-usage", description="Path of the log of usage")
    batch: int = Field(
        100, ge=1, le=1000, description="Events sent at once; 1 for a service that takes no lists"
    )
    grace: Duration = Field(
        600, description="How long its last answer counts while the Billing API is away"
    )
    account: str | None = Field(
        None,
        min_length=1,
        max_length=254,
        description="Who pays for requests of nobody in particular, such as with the master key;"
        " api@SLUG unless given",
    )
    markup_percent: Decimal = Field(
        Decimal(0), ge=0, le=1000, decimal_places=2, description="Added to the provider's price"
    )
    contract: Literal[1, 2] | None = Field(
        None,
        description="Version of the contract that the service speaks; 2 for the core's, else 1"
        " unless given",
    )
    user_id: UserId | None = Field(
        None,
        description="What people are named by; for the core's service and login it is the"
        " subject, else the e-mail, unless given",
    )
    currency: Currency | None = Field(
        None, description="Of the budgets; that of the core, if it is known, unless given"
    )
    usd_rate: UsdRate | None = Field(
        None,
        description="What a US dollar is in that currency: the prices that LiteLLM knows are in"
        " dollars, and are multiplied by it; that of the core, if it is known, unless given",
    )

    @property
    def contract_version(self) -> Literal[1, 2]:
        """Version of the contract that the service speaks."""
        return self.contract or (2 if self.url.host == CORE_BILLING else 1)

    @model_validator(mode="after")
    def _rate_has_a_currency(self) -> Self:
        if self.usd_rate and self.currency == DOLLAR:
            raise_violations(
                [Violation(("usd_rate",), "", f"none: the budgets are in {DOLLAR} already")]
            )
        return self
