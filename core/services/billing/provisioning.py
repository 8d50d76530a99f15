"""The operator's part: tenants, people and budgets; a PUT that is repeated changes nothing.

The service itself describes it, at /openapi.json.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from core.services.billing import owners, payers, people
from core.services.billing.api_auth import check_operator
from core.services.billing.budgets import Balance
from core.services.billing.contract import ApiError
from core.services.billing.people import Budget, Person, Tenant
from core.services.pocketbase import PocketBase, Record, RefusedError
from money.nanos import to_wire


class Problem(BaseModel):
    """The problem, in words."""

    message: str


class TenantRead(Tenant):
    """A tenant as it is now."""

    slug: str


class PersonAsIs(BaseModel):
    """A person as they are now."""

    subject: str = Field(description="Of their logins; it stays the same when the e-mail changes")
    email: str
    name: str
    role: str
    verified: bool
    must_change_password: bool


class BudgetAsIs(Budget):
    """A budget, and what is left of it."""

    user: str
    subject: str | None = Field(description="Of a person; none of an account or program")
    used: str
    remaining: str


class ErasedPerson(BaseModel):
    """Counts of the records of a person or account."""

    users: int = 0
    sessions: int = 0
    budgets: int = 0
    usage_anonymised: int = Field(0, description="Requests that stay, without a name")


class ErasedTenant(BaseModel):
    """Counts of the records of a tenant."""

    users: int
    budgets: int
    usage_logs: int
    usage_days: int


class Link(BaseModel):
    """Whose usage becomes a person's."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(
        alias="from",
        min_length=1,
        max_length=255,
        description="An address or account, or the subject of somebody who is gone",
    )


class Linked(BaseModel):
    """Counts of the records that were moved."""

    requests: int
    budgets: int


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body cannot be read"},
    401: {"model": Problem, "description": "The key is not the operator's"},
    404: {"model": Problem, "description": "Not found"},
    409: {"model": Problem, "description": "Something else has, or needs, it"},
    422: {"model": Problem, "description": "Invalid value"},
    503: {"model": Problem, "description": "PocketBase does not answer"},
}

router = APIRouter(
    prefix="/api/tenants", dependencies=[Depends(check_operator)], responses=PROBLEMS
)


def _pocketbase(request: Request) -> PocketBase:
    pocketbase: PocketBase = request.app.state.pocketbase
    return pocketbase


Database: TypeAlias = Annotated[PocketBase, Depends(_pocketbase)]


async def _tenant(slug: str, pocketbase: Database) -> Record:
    return await _found(pocketbase, "tenants", {"slug": slug}, f"There is no tenant {slug}.")


KnownTenant: TypeAlias = Annotated[Record, Depends(_tenant)]


@router.get("")
async def get_tenants(pocketbase: Database) -> list[TenantRead]:
    """All tenants."""
    return [_tenant_read(record) for record in await pocketbase.list_all("tenants")]


@router.get("/{slug}")
async def get_tenant(tenant: KnownTenant) -> TenantRead:
    """A tenant."""
    return _tenant_read(tenant)


@router.put("/{slug}")
async def put_tenant(slug: str, tenant: Tenant, pocketbase: Database) -> TenantRead:
    """Make or change a tenant. What the core's own file says of it comes back at each start."""
    return _tenant_read(await people.put_tenant(pocketbase, slug, tenant))


@router.delete("/{slug}", status_code=204, responses={200: {"model": ErasedTenant}})
async def delete_tenant(tenant: KnownTenant, pocketbase: Database, erase: bool = False) -> Response:
    """Take away a tenant that has no people, no budgets, and never used anything.

    With `erase`, all of that goes, too. What the core's file names comes back at the next start.
    """
    if erase:
        return JSONResponse(dict(await owners.erase_tenant(pocketbase, tenant)))
    try:
        await pocketbase.delete("tenants", tenant["id"])
    except RefusedError:
        raise ApiError(409, "The tenant has people, budgets or usage.") from None
    return Response(status_code=204)


@router.get("/{slug}/users")
async def get_users(tenant: KnownTenant, pocketbase: Database) -> list[PersonAsIs]:
    """All people of a tenant."""
    records = await pocketbase.list_all("users", "tenant = {tenant}", {"tenant": tenant["id"]})
    return [_person_as_is(record) for record in records]


@router.get("/{slug}/users/{name}")
async def get_user(tenant: KnownTenant, name: str, pocketbase: Database) -> PersonAsIs:
    """A person, by e-mail or subject."""
    return _person_as_is(await _person(pocketbase, tenant, name))


@router.put("/{slug}/users/{name}")
async def put_user(
    tenant: KnownTenant, name: str, person: Person, pocketbase: Database
) -> PersonAsIs:
    """Make a person, by e-mail, or change one, by e-mail or subject."""
    try:
        return _person_as_is(await people.put_person(pocketbase, tenant, name, person))
    except people.TakenError as error:
        raise ApiError(409, str(error)) from None


@router.delete("/{slug}/users/{name}", status_code=204, responses={200: {"model": ErasedPerson}})
async def delete_user(
    tenant: KnownTenant, name: str, pocketbase: Database, erase: bool = False
) -> Response:
    """Take away a person, by e-mail or subject, and their budget; what they used stays theirs.

    With `erase`, nothing names them any more; what they used stays in the tenant's sums. That goes
    for accounts, and for people who were taken away before, too.
    """
    if erase:
        return JSONResponse(dict(await owners.erase_person(pocketbase, tenant, name)))
    person = await _person(pocketbase, tenant, name)
    await owners.remove_person(pocketbase, tenant, person)
    return Response(status_code=204)


@router.post("/{slug}/users/{name}/link")
async def link_user(tenant: KnownTenant, name: str, link: Link, pocketbase: Database) -> Linked:
    """Give a person what was used under an address, or by somebody who is gone.

    A budget goes with it, unless the person has one.
    """
    person = await _person(pocketbase, tenant, name)
    return Linked.model_validate(await owners.link(pocketbase, tenant, person, link.source))


@router.get("/{slug}/budgets")
async def get_budgets(tenant: KnownTenant, pocketbase: Database) -> list[BudgetAsIs]:
    """All budgets of a tenant."""
    of_tenant = "tenant = {tenant}", {"tenant": tenant["id"]}
    records = await pocketbase.list_all("balances", *of_tenant)
    users = await pocketbase.list_all("users", *of_tenant)
    emails = {user["id"]: user["email"] for user in users}
    return [_budget_as_is(record, emails) for record in records]


@router.get("/{slug}/budgets/{user:path}")
async def get_budget(tenant: KnownTenant, user: str, pocketbase: Database) -> BudgetAsIs:
    """The budget of a person, by e-mail or subject, or of an account or program, by name."""
    return await _budget(pocketbase, tenant, user)


@router.put("/{slug}/budgets/{user:path}")
async def put_budget(
    tenant: KnownTenant, user: str, budget: Budget, pocketbase: Database
) -> BudgetAsIs:
    """Make or change a budget."""
    payer = await payers.find(pocketbase, tenant["slug"], user.lower())
    await pocketbase.put("budgets", {"tenant": tenant["id"], "user": payer.key}, budget.fields)
    return await _budget(pocketbase, tenant, user)


@router.delete("/{slug}/budgets/{user:path}", status_code=204)
async def delete_budget(tenant: KnownTenant, user: str, pocketbase: Database) -> None:
    """Take away a budget; what was used stays, and counts again if there is a new one."""
    balance, _ = await _balance(pocketbase, tenant, user)
    await pocketbase.delete("budgets", balance["id"])


async def _person(pocketbase: PocketBase, tenant: Record, name: str) -> Record:
    person = await people.find_person(pocketbase, tenant, name)
    if person is None:
        raise ApiError(404, f"There is no {name} in {tenant['slug']}.")
    return person


async def _budget(pocketbase: PocketBase, tenant: Record, user: str) -> BudgetAsIs:
    balance, emails = await _balance(pocketbase, tenant, user)
    return _budget_as_is(balance, emails)


async def _balance(
    pocketbase: PocketBase, tenant: Record, user: str
) -> tuple[Record, Mapping[str, str]]:
    """A record of `balances`, and the e-mail by subject if it is a person's."""
    payer = await payers.find(pocketbase, tenant["slug"], user.lower())
    key = {"tenant": tenant["id"], "user": payer.key}
    missing = f"{user} has no budget in {tenant['slug']}."
    return await _found(pocketbase, "balances", key, missing), payer.emails


async def _found(
    pocketbase: PocketBase, collection: str, key: Mapping[str, str], missing: str
) -> Record:
    record = await pocketbase.find_by_key(collection, key)
    if record is None:
        raise ApiError(404, missing)
    return record


def _tenant_read(record: Record) -> TenantRead:
    period = record["default_period"]
    amount = to_wire(record["default_amount"])
    default = Budget(amount=amount, period=period) if period else None
    return TenantRead(slug=record["slug"], name=record["name"], default_budget=default)


def _person_as_is(record: Record) -> PersonAsIs:
    return PersonAsIs.model_validate({**record, "subject": record["id"]})


def _budget_as_is(record: Record, emails: Mapping[str, str]) -> BudgetAsIs:
    balance, key = Balance.of(record), record["user"]
    return BudgetAsIs(
        user=emails.get(key, key),
        subject=key if key in emails else None,
        amount=to_wire(balance.total),
        period=record["period"],
        used=to_wire(balance.used),
        remaining=to_wire(balance.remaining),
    )
