"""The core's Billing API as a process, and its tenants."""

from pathlib import Path

from core.services.settings import BillingSecrets, Settings, Tenant
from tests.billing.gateway import Gateway
from tests.core.processes import AppProcess, PocketBaseProcess

OPERATOR = "key-of-the-operator"
PASSWORD = "a first password"
LONG_PASSWORD = "0123456789abcdef" * 4


def key_of(slug: str) -> str:
    return f"key-of-{slug}"


def told(slug: str, **changes: object) -> Tenant:
    """A tenant of the settings, with nobody in it."""
    told = {
        "slug": slug,
        "name": slug.title(),
        "chat_url": f"http://127.0.0.1/{slug}",
        "default_budget": None,
        "people": (),
    }
    return Tenant.model_validate(told | changes)


def billing(
    folder: Path, pocketbase: PocketBaseProcess, *tenants: Tenant, health: str = "/health"
) -> AppProcess:
    """The Billing API, to be started; `health` answers 200 as soon as it can be asked."""
    emails = [person.email for tenant in tenants for person in tenant.people]
    settings = Settings(
        name="Tests",
        public_url="http://127.0.0.1:8090",
        internal_urls=("http://identity-core:8090", "http://pocketbase-core:8090"),
        pocketbase_url=pocketbase.url,
        currency="EUR",
        session_seconds=3600,
        tenants=tenants,
    )
    keys = BillingSecrets(
        pocketbase_password=pocketbase.password,
        operator_key=OPERATOR,
        tenant_keys={tenant.slug: key_of(tenant.slug) for tenant in tenants},
        first_passwords=dict.fromkeys(emails, PASSWORD),
        long_first_passwords=dict.fromkeys(emails, LONG_PASSWORD),
    )
    return AppProcess(
        folder=folder,
        factory="core.services.billing.app:create",
        settings=settings,
        secrets=keys,
        health_path=health,
    )


class Api(Gateway):
    """Of a tenant of that process."""

    def __init__(self, process: AppProcess, tenant: str) -> None:
        super().__init__(process.url, key_of(tenant), tenant)
