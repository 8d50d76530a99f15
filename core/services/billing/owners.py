"""Whose budget and usage something is, when a person comes, goes, or is to be forgotten."""

import secrets
from collections import Counter
from collections.abc import Mapping

from core.services.billing import people
from core.services.billing.contract import ApiError
from core.services.pocketbase import PocketBase, Record

# The hooks in core/pocketbase/hooks/owners.pb.js.
_MOVE, _ERASE_USER, _ERASE_TENANT = (
    f"/api/core/{name}" for name in ("move-usage", "erase-user", "erase-tenant")
)


async def remove_person(pocketbase: PocketBase, tenant: Record, person: Record) -> None:
    """Take away a person, their sessions and their budget; what they used stays."""
    await pocketbase.delete("users", person["id"])
    key = {"tenant": tenant["id"], "user": person["id"]}
    if budget := await pocketbase.find_by_key("budgets", key):
        await pocketbase.delete("budgets", budget["id"])


async def erase_person(pocketbase: PocketBase, tenant: Record, name: str) -> Mapping[str, int]:
    """Forget a person or an account: what is theirs goes, what they used stays without a name.

    Raises:
        ApiError: nothing is stored under that name.
    """
    pseudonym = f"erased-{secrets.token_hex(8)}"
    erased = Counter[str]()
    for key in await _keys(pocketbase, tenant, name.lower()):
        question = {"tenant": tenant["id"], "user": key, "as": pseudonym}
        erased.update(await pocketbase.call(_ERASE_USER, question))
    if not erased.total():
        raise ApiError(404, f"Nothing is stored of {name} in {tenant['slug']}.")
    return erased


async def erase_tenant(pocketbase: PocketBase, tenant: Record) -> Mapping[str, int]:
    """Delete a tenant with its people, budgets and usage."""
    erased = await pocketbase.call(_ERASE_TENANT, {"tenant": tenant["id"]})
    return {name: int(count) for name, count in erased.items()}


async def link(
    pocketbase: PocketBase, tenant: Record, person: Record, name: str
) -> Mapping[str, int]:
    """Give a person what an address, an account, or somebody who is gone has used.

    Raises:
        ApiError: the name is that of a person who is still there.
    """
    name = name.lower()
    if await people.find_person(pocketbase, tenant, name):
        raise ApiError(
            409,
            f"{name} is a person of {tenant['slug']}, whose usage stays theirs. Link usage of an"
            " address, an account or a deleted person.",
        )
    moved = Counter[str]()
    for key in await _keys(pocketbase, tenant, name):
        question = {"tenant": tenant["id"], "from": key, "to": person["id"]}
        moved.update(await pocketbase.call(_MOVE, question))
    return {"requests": moved["requests"], "budgets": moved["budgets"]}


async def _keys(pocketbase: PocketBase, tenant: Record, name: str) -> list[str]:
    """All under which something may be kept of a person who is there, or else of a name."""
    person = await people.find_person(pocketbase, tenant, name)
    question = "tenant = {tenant} && (person = {name} || email = {name})"
    values = {"tenant": tenant["id"], "name": person["id"] if person else name}
    former = await pocketbase.list_all("former_emails", question, values)
    if person:
        emails = [record["email"] for record in former if record["person"] == person["id"]]
        return list(dict.fromkeys([person["id"], person["email"], *emails]))
    gone = [
        record
        for record in former
        if not await people.find_person(pocketbase, tenant, record["person"])
    ]
    # An address of theirs may be somebody else's by now.
    addresses = [
        record["email"]
        for record in gone
        if not await people.find_person(pocketbase, tenant, record["email"])
    ]
    return list(dict.fromkeys([name, *addresses, *(record["person"] for record in gone)]))
