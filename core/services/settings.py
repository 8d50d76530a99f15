"""Settings and secrets of the core's processes, from its file."""

import os
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

SUPERUSER = "services@core.internal"
"""Whom the processes are at PocketBase."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Model = TypeVar("_Model", bound=_Settings)


class Budget(_Settings):
    """An amount in the core's currency, as a decimal with at most nine places."""

    amount: str
    period: Literal["month", "never"]


class Person(_Settings):
    """Somebody who exists from the start; what becomes of them later is kept."""

    email: str
    name: str
    role: Literal["admin", "user"]
    budget: Budget | None


class Tenant(_Settings):
    """A tenant, as it is known to its people.

    Attributes:
        chat_url: public address of its Open WebUI, without a slash at its end.
        default_budget: of whoever is not known; without one they are refused.
    """

    slug: str
    name: str
    chat_url: str
    default_budget: Budget | None
    people: tuple[Person, ...]


class UsdRate(_Settings):
    """The price of a US dollar in the core's currency, and the day of that rate."""

    rate: Decimal
    as_of: date


class Settings(_Settings):
    """All that differs between cores.

    Attributes:
        public_url: where people's browsers find identity and portal; the issuer.
        internal_urls: where tenants' containers find the same.
        usd_rate: by which tenants convert prices in US dollars; None if they need not.
        session_seconds: how long a login lasts after the last click.
    """

    name: str
    public_url: str
    internal_urls: tuple[str, ...]
    pocketbase_url: str
    currency: str
    usd_rate: UsdRate | None = None
    session_seconds: int
    tenants: tuple[Tenant, ...]


class BillingSecrets(_Settings):
    """Secrets of the Billing API: keys by tenant, first passwords by e-mail.

    Attributes:
        previous_tenant_keys: they count until the tenant comes with the new one.
        long_first_passwords: what earlier versions gave people as their first passwords.
    """

    pocketbase_password: str
    operator_key: str
    tenant_keys: dict[str, str]
    previous_tenant_keys: dict[str, str] = {}
    first_passwords: dict[str, str]
    long_first_passwords: dict[str, str] = {}


class IdentitySecrets(_Settings):
    """Secrets of identity and portal.

    Attributes:
        client_secrets: of the tenants' Open WebUIs, by tenant.
        previous_client_secrets: they count until the tenant comes with the new one.
        storage_key: 32 bytes in hexadecimal; encrypts the signing keys where they are kept.
    """

    pocketbase_password: str
    client_secrets: dict[str, str]
    previous_client_secrets: dict[str, str] = {}
    storage_key: str


@cache
def settings() -> Settings:
    """The settings of this process."""
    return _read(Settings, "CORE_SETTINGS", "/etc/core/settings.json")


@cache
def billing_secrets() -> BillingSecrets:
    """The Billing API's secrets."""
    return _read(BillingSecrets, "CORE_SECRETS", "/run/secrets/core.json")


@cache
def identity_secrets() -> IdentitySecrets:
    """The secrets of identity and portal."""
    return _read(IdentitySecrets, "CORE_SECRETS", "/run/secrets/core.json")


def _read(model: type[_Model], variable: str, path: str) -> _Model:
    return model.model_validate_json(Path(os.environ.get(variable, path)).read_text("utf-8"))
