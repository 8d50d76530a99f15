"""The operator's part: tenants, people and budgets; a PUT that is repeated changes nothing.

The service itself describes it, at /openapi.json.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from core.services.billing import people
from core.services.billing.budgets import Balance
from core.services.billing.contract import ApiError
from core.services.billing.keys import check_operator
from core.services.billing.people import Budget, Person, Tenant
from core.services.pocketbase import PocketBase, Record, RefusedError
from gateway.money import to_wire


class Problem(BaseModel):
    """What is wrong, in words."""

    message: str


class TenantAsIs(Tenant):
    """A tenant as it is now."""

    slug: str


class PersonAsIs(BaseModel):
    """A person as they are now."""

    email: str
    name: str
    role: str
    verified: bool


class BudgetAsIs(Budget):
    """A budget, and what is left of it."""

    user: str
    used: str
    remaining: str


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body cannot be read"},
    401: {"model": Problem, "description": "The key is not the operator's"},
    404: {"model": Problem, "description": "There is none such"},
    409: {"model": Problem, "description": "Something else has, or needs, it"},
    422: {"model": Problem, "description": "It cannot be like that"},
    503: {"model": Problem, "description": "PocketBase does not answer"},
}

router = APIRouter(
    prefix="/api/tenants", dependencies=[Depends(check_operator)], responses=_PROBLEMS
)


def _pocketbase(request: Request) -> PocketBase:
    pocketbase: PocketBase = request.app.state.pocketbase
    return pocketbase


Database: TypeAlias = Annotated[PocketBase, Depends(_pocketbase)]


async def _tenant(slug: str, pocketbase: Database) -> Record:
    return await _found(pocketbase, "tenants", {"slug": slug}, f"There is no tenant {slug}.")


KnownTenant: TypeAlias = Annotated[Record, Depends(_tenant)]


@router.get("")
async def get_tenants(pocketbase: Database) -> list[TenantAsIs]:
    """All tenants."""
    return [_tenant_as_is(record) for record in await pocketbase.list_all("tenants")]


@router.get("/{slug}")
async def get_tenant(tenant: KnownTenant) -> TenantAsIs:
    """A tenant."""
    return _tenant_as_is(tenant)


@router.put("/{slug}")
async def put_tenant(slug: str, tenant: Tenant, pocketbase: Database) -> TenantAsIs:
    """Make or change a tenant. What the core's own file says of it comes back at each start."""
    return _tenant_as_is(await people.put_tenant(pocketbase, slug, tenant))


@router.delete("/{slug}", status_code=204)
async def delete_tenant(tenant: KnownTenant, pocketbase: Database) -> None:
    """Take away a tenant that has no people, no budgets, and never used anything."""
    try:
        await pocketbase.delete("tenants", tenant["id"])
    except RefusedError:
        raise ApiError(409, "The tenant has people, budgets or usage.") from None


@router.get("/{slug}/users")
async def get_users(tenant: KnownTenant, pocketbase: Database) -> list[PersonAsIs]:
    """All people of a tenant."""
    records = await pocketbase.list_all("users", "tenant = {tenant}", {"tenant": tenant["id"]})
    return [_person_as_is(record) for record in records]


@router.get("/{slug}/users/{email}")
async def get_user(tenant: KnownTenant, email: str, pocketbase: Database) -> PersonAsIs:
    """A person."""
    return _person_as_is(await _person(pocketbase, tenant, email))


@router.put("/{slug}/users/{email}")
async def put_user(
    tenant: KnownTenant, email: str, person: Person, pocketbase: Database
) -> PersonAsIs:
    """Make or change a person."""
    try:
        return _person_as_is(await people.put_person(pocketbase, tenant, email, person))
    except people.TakenError as error:
        raise ApiError(409, str(error)) from None


@router.delete("/{slug}/users/{email}", status_code=204)
async def delete_user(tenant: KnownTenant, email: str, pocketbase: Database) -> None:
    """Take away a person; what they used stays, and so does their budget."""
    person = await _person(pocketbase, tenant, email)
    await pocketbase.delete("users", person["id"])


@router.get("/{slug}/budgets")
async def get_budgets(tenant: KnownTenant, pocketbase: Database) -> list[BudgetAsIs]:
    """All budgets of a tenant."""
    records = await pocketbase.list_all("balances", "tenant = {tenant}", {"tenant": tenant["id"]})
    return [_budget_as_is(record) for record in records]


@router.get("/{slug}/budgets/{user:path}")
async def get_budget(tenant: KnownTenant, user: str, pocketbase: Database) -> BudgetAsIs:
    """The budget of a person, by e-mail, or of an account or program, by name."""
    return _budget_as_is(await _balance(pocketbase, tenant, user))


@router.put("/{slug}/budgets/{user:path}")
async def put_budget(
    tenant: KnownTenant, user: str, budget: Budget, pocketbase: Database
) -> BudgetAsIs:
    """Make or change a budget."""
    key = {"tenant": tenant["id"], "user": user.lower()}
    await pocketbase.put("budgets", key, budget.fields)
    return _budget_as_is(await _balance(pocketbase, tenant, user))


@router.delete("/{slug}/budgets/{user:path}", status_code=204)
async def delete_budget(tenant: KnownTenant, user: str, pocketbase: Database) -> None:
    """Take away a budget; what was used stays, and counts again if there is a new one."""
    balance = await _balance(pocketbase, tenant, user)
    await pocketbase.delete("budgets", balance["id"])


async def _person(pocketbase: PocketBase, tenant: Record, email: str) -> Record:
    key = {"tenant": tenant["id"], "email": email.lower()}
    return await _found(pocketbase, "users", key, f"There is no {email} in {tenant['slug']}.")


async def _balance(pocketbase: PocketBase, tenant: Record, user: str) -> Record:
    key = {"tenant": tenant["id"], "user": user.lower()}
    return await _found(pocketbase, "balances", key, f"{user} has no budget in {tenant['slug']}.")


async def _found(
    pocketbase: PocketBase, collection: str, key: Mapping[str, str], missing: str
) -> Record:
    record = await pocketbase.find_by_key(collection, key)
    if record is None:
        raise ApiError(404, missing)
    return record


def _tenant_as_is(record: Record) -> TenantAsIs:
    period = record["default_period"]
    amount = to_wire(record["default_amount"])
    default = Budget(amount=amount, period=period) if period else None
    return TenantAsIs(slug=record["slug"], name=record["name"], default_budget=default)


def _person_as_is(record: Record) -> PersonAsIs:
    return PersonAsIs.model_validate({name: record[name] for name in PersonAsIs.model_fields})


def _budget_as_is(record: Record) -> BudgetAsIs:
    balance = Balance.of(record)
    return BudgetAsIs(
        user=record["user"],
        amount=to_wire(balance.total),
        period=record["period"],
        used=to_wire(balance.used),
        remaining=to_wire(balance.remaining),
    )
