"""Tenants, their people and their budgets: what they are, and how PocketBase is told."""

import secrets
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.services.billing.contract import Amount
from core.services.pocketbase import PocketBase, Record
from money.nanos import from_wire


class TakenError(Exception):
    """The e-mail is of somebody of another tenant."""


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Budget(_Input):
    """A budget, in the currency of the core."""

    amount: Amount = Field(examples=["12.50"])
    period: Literal["month", "never"] = Field(
        "month", description="When it starts anew: with each month of UTC, or never"
    )

    @property
    def fields(self) -> dict[str, object]:
        """Of the record."""
        return {"amount": from_wire(self.amount), "period": self.period}


class Tenant(_Input):
    """A tenant."""

    name: str = Field(min_length=1, description="Shown to its people")
    default_budget: Budget | None = Field(
        None, description="Of whoever has none; without it they are refused"
    )


class Person(_Input):
    """Somebody who can log in."""

    name: str = Field(min_length=1)
    role: Literal["admin", "user"] = Field(
        "user", description="An admin sees the people of the tenant, and sets their budgets"
    )
    verified: bool = Field(description="Nobody else can log in")
    password: str | None = Field(
        None,
        min_length=8,
        max_length=71,
        description="Without one it stays as it is, or is one that nobody knows; a new one ends "
        "all sessions, and must be changed at the next login",
    )
    email: str | None = Field(None, description="Another address for somebody who exists")

    def fields(self, tenant: Record) -> dict[str, object]:
        """Of the record, but the password."""
        told = self.model_dump(exclude={"password", "email"})
        return {**told, "tenant": tenant["id"]}


async def put_tenant(pocketbase: PocketBase, slug: str, tenant: Tenant) -> Record:
    """Make or change a tenant."""
    default = tenant.default_budget
    fields = {
        "name": tenant.name,
        "default_amount": from_wire(default.amount) if default else 0,
        "default_period": default.period if default else "",
    }
    return await pocketbase.put("tenants", {"slug": slug}, fields)


async def add_person(pocketbase: PocketBase, tenant: Record, email: str, person: Person) -> Record:
    """Make a person, unless there is one with the e-mail.

    Raises:
        TakenError: they are another tenant's.
    """
    fields = person.fields(tenant) | _password(person.password or secrets.token_hex())
    found = await pocketbase.find_or_create("users", {"email": email.lower()}, fields)
    if found["tenant"] != tenant["id"]:
        raise TakenError(f"{email} is of somebody of another tenant.")
    return found


async def put_person(pocketbase: PocketBase, tenant: Record, email: str, person: Person) -> Record:
    """Make or change a person.

    Raises:
        TakenError: they are another tenant's.
    """
    found = await find_person(pocketbase, tenant, email)
    if found is None and person.email:  # perhaps it is the address already
        email = person.email
        found = await find_person(pocketbase, tenant, email)
    if found is None:
        found = await add_person(pocketbase, tenant, email, person)
    fields = person.fields(tenant)
    if person.password:
        fields |= _password(person.password)
    if person.email:
        fields |= {"email": person.email.lower()}
    return await pocketbase.update("users", found["id"], fields)


async def find_renamed(pocketbase: PocketBase, tenant: Record, email: str) -> Record | None:
    """Somebody who exists, and had the e-mail in this tenant before they were renamed."""
    key = {"tenant": tenant["id"], "email": email.lower()}
    question = "tenant = {tenant} && email = {email}"
    for former in await pocketbase.list_all("former_emails", question, key):
        if found := await pocketbase.find_by_key("users", {"id": former["person"]}):
            return found
    return None


async def replace_long_password(
    pocketbase: PocketBase, person: Record, long: str, password: str
) -> None:
    """Give somebody a first password who still has the longer one of an earlier version.

    Nobody asked them to change that one, and only this one is shown to the operator.
    """
    if person["must_change_password"] or not person["verified"]:
        return
    if await pocketbase.check_password(person["email"], long):
        await pocketbase.update("users", person["id"], _password(password))


async def find_person(pocketbase: PocketBase, tenant: Record, name: str) -> Record | None:
    """A person of a tenant, by e-mail or by subject."""
    question = "tenant = {tenant} && (email = {name} || id = {name})"
    values = {"tenant": tenant["id"], "name": name.lower()}
    return await pocketbase.find("users", question, values)


def _password(password: str) -> dict[str, object]:
    return {"password": password, "passwordConfirm": password, "must_change_password": True}
