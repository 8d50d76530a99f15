"""Tenants and their first people, brought to what the settings say at every start."""

import asyncio

from core.services.billing import people
from core.services.billing.people import Budget, Person
from core.services.log import log
from core.services.pocketbase import AwayError, PocketBase, PocketBaseError
from core.services.settings import Tenant, billing_secrets, settings

_PAUSE_SECONDS = 1.0


async def seed(pocketbase: PocketBase) -> None:
    """Make what is missing, as soon as PocketBase answers."""
    for tenant in settings().tenants:
        while True:
            try:
                await _seed(pocketbase, tenant)
                break
            except AwayError:
                await asyncio.sleep(_PAUSE_SECONDS)
            except (PocketBaseError, people.TakenError, ValueError) as error:
                # It will be no better the next time, and the others need not wait for it.
                log("not_seeded", tenant=tenant.slug, why=str(error))
                break


async def _seed(pocketbase: PocketBase, tenant: Tenant) -> None:
    """A tenant becomes as the settings say; its people and budgets only begin like that."""
    default = tenant.default_budget
    told = people.Tenant(
        name=tenant.name, default_budget=Budget(**default.model_dump()) if default else None
    )
    record = await people.put_tenant(pocketbase, tenant.slug, told)
    for person in tenant.people:
        if await people.find_renamed(pocketbase, record, person.email):
            continue  # the address of the settings is perhaps another's by now
        password = billing_secrets().first_passwords.get(person.email)
        begins = Person(name=person.name, role=person.role, verified=True, password=password)
        added = await people.add_person(pocketbase, record, person.email, begins)
        long = billing_secrets().long_first_passwords.get(person.email)
        if long and password:
            await people.replace_long_password(pocketbase, added, long, password)
        if person.budget:
            key = {"tenant": record["id"], "user": added["id"]}
            fields = Budget(**person.budget.model_dump()).fields
            await pocketbase.find_or_create("budgets", key, fields)
