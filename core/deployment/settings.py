"""Settings of the core's processes, from its file."""

from core.model import Budget, Core, CoreTenant, Person
from core.services import settings as runtime
from schema.types import base_url
from tenants.login import CORE_LOGINS

POCKETBASE = "http://pocketbase:8090"


def settings(core: Core) -> runtime.Settings:
    """The settings that `core.services.settings` reads."""
    return runtime.Settings(
        name=core.name,
        public_url=core.public_url,
        internal_urls=tuple(f"http://{name}:{core.identity.port}" for name in CORE_LOGINS),
        pocketbase_url=POCKETBASE,
        currency=core.currency,
        usd_rate=_usd_rate(core),
        session_seconds=core.identity.session,
        tenants=tuple(map(_tenant, core.tenants)),
    )


def _usd_rate(core: Core) -> runtime.UsdRate | None:
    return runtime.UsdRate(**core.usd_rate.model_dump()) if core.usd_rate else None


def _tenant(tenant: CoreTenant) -> runtime.Tenant:
    return runtime.Tenant(
        slug=tenant.slug,
        name=tenant.name,
        chat_url=base_url(tenant.chat_url) if tenant.chat_url else "",
        default_budget=_budget(tenant.default_budget),
        people=tuple(map(_person, tenant.people)),
    )


def _person(person: Person) -> runtime.Person:
    return runtime.Person(
        email=person.email,
        name=person.name,
        role=person.role.value,
        budget=_budget(person.budget),
    )


def _budget(budget: Budget | None) -> runtime.Budget | None:
    if budget is None:
        return None
    return runtime.Budget(amount=f"{budget.amount:f}", period=budget.period.value)
