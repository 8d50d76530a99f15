"""A person's budget, in figures and words."""

from dataclasses import dataclass
from typing import Any, Self

from core.services.billing import payers
from core.services.billing.contract import Check
from core.services.billing.payers import Payer
from core.services.pocketbase import PocketBase, Record
from core.services.settings import settings
from money.nanos import LARGEST, for_people, from_wire, to_wire

LONGEST_USER = 255
"""Characters of a user in PocketBase."""


@dataclass(frozen=True)
class Balance:
    """A budget and what is used of it, in nanos."""

    total: int
    used: int
    period: str

    @classmethod
    def of(cls, record: Record) -> Self:
        """From a record of `balances`; what an answer cannot hold of the used is cut off."""
        used = min(int(record["used"]), LARGEST)
        return cls(int(record["amount"]), used, record["period"])

    @property
    def remaining(self) -> int:
        """Below zero when more was used than the budget holds."""
        return self.total - self.used

    def on_wire(self) -> dict[str, str]:
        """As the contract has it."""
        return {
            "total": to_wire(self.total),
            "used": to_wire(self.used),
            "remaining": to_wire(self.remaining),
        }


async def check(pocketbase: PocketBase, asked: Check) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer."""
    if 0 < len(asked.user_id) <= LONGEST_USER:
        payer = await payers.find(
            pocketbase, asked.tenant_id, asked.user_id, subject=asked.user_subject
        )
        balance = None if payer.is_gone else await _balance(pocketbase, asked.tenant_id, payer)
        if balance:
            return 200, _spendable(balance, payer, asked)
        if payer.email:
            words = f"{asked.user_id} has no budget. Ask your administrator for one."
            return 200, _verdict("no_budget", words)
    return 404, _verdict("unknown_user", f"{asked.user_id} is not known to the billing.")


async def _balance(pocketbase: PocketBase, tenant: str, payer: Payer) -> Balance | None:
    if balance := await _find_balance(pocketbase, tenant, payer):
        return balance
    if await _has_default_budget(pocketbase, tenant, payer):
        return await _find_balance(pocketbase, tenant, payer)
    return None


async def _find_balance(pocketbase: PocketBase, tenant: str, payer: Payer) -> Balance | None:
    question = "tenant.slug = {tenant} && user = {user}"
    values = {"tenant": tenant, "user": payer.key}
    found = await pocketbase.find("balances", question, values)
    return Balance.of(found) if found else None


async def _has_default_budget(pocketbase: PocketBase, slug: str, payer: Payer) -> bool:
    """Make the budget that a tenant has for whoever has none, if it has one."""
    question = "slug = {tenant} && default_period != ''"
    tenant = await pocketbase.find("tenants", question, {"tenant": slug})
    if tenant is None:
        return False
    key = {"tenant": tenant["id"], "user": payer.key}
    default = {"period": tenant["default_period"], "amount": tenant["default_amount"]}
    await pocketbase.find_or_create("budgets", key, default)
    return True


def _spendable(balance: Balance, payer: Payer, asked: Check) -> dict[str, Any]:
    word, message = _words(balance)
    answer = _verdict(word, message, balance)
    # A request that costs nothing needs nothing that is left.
    answer["allowed"] = word == "ok" or from_wire(asked.cost_estimate) == 0
    if asked.is_second_version:
        answer["budget"] |= {"currency": settings().currency, "payer": payer.key}
    return answer


def _words(balance: Balance) -> tuple[str, str]:
    total = f"{for_people(balance.total)} {settings().currency}"
    if balance.remaining > 0:
        return "ok", f"{for_people(balance.remaining)} of {total} are left."
    until = ", or wait for the next month" if balance.period == "month" else ""
    return "exceeded", (
        f"Your budget of {total} is used up. Ask your administrator to raise it{until}."
    )


def _verdict(word: str, message: str, balance: Balance | None = None) -> dict[str, Any]:
    return {
        "allowed": word == "ok",
        "status": word,
        "message": message,
        "budget": balance.on_wire() if balance else None,
    }
