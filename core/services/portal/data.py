"""PocketBase as one person sees it: its own rules decide what is there, and what may be changed."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Self

from core.services.identity.sessions import Person
from core.services.pocketbase import NotFoundError, PocketBase, Record, RefusedError
from core.services.portal.month import Month
from core.services.portal.usage import Sums, Usage

Period = Literal["month", "never"]

# A token outlives one page, or one part of a download, by not much.
_TOKEN_SECONDS = 60
_PART = 1000  # requests
_LATEST = 10
_ID = re.compile(r"[a-z0-9]{15}")

_NOTHING: Mapping[str, str] = MappingProxyType({})
_IN_ORDER = "user,ended_at,id"
_ENDED_IN = "ended_at >= {first} && ended_at < {next}"
_AFTER_LAST = (
    "user >= {last_user} && (user > {last_user} || ended_at > {last_ended_at}"
    " || (ended_at = {last_ended_at} && id > {last_id}))"
)

LOW = 80
"""Per cent that are used when a person is told to look out."""


@dataclass(frozen=True)
class Balance:
    """A budget and what is used of it, in nanos.

    Attributes:
        user: a person's id, or an account's name.
    """

    user: str
    period: Period
    amount: int
    used: int

    @classmethod
    def of(cls, record: Record) -> Self:
        """As PocketBase has it."""
        amount, used = int(record["amount"]), int(record["used"])
        return cls(record["user"], record["period"], amount, used)

    @property
    def left(self) -> int:
        """Nanos; nothing is less than nothing."""
        return max(self.amount - self.used, 0)

    @property
    def percent(self) -> int:
        """Percentage that is used, at most 100."""
        return min(100 * self.used // self.amount, 100) if self.amount else 100

    @property
    def state(self) -> str:
        """`spent`, `low` or `fine`."""
        if not self.left:
            return "spent"
        return "low" if self.percent >= LOW else "fine"


@dataclass(frozen=True)
class Contact:
    """Name of a person, or of an account, whose name and address are one.

    Attributes:
        address: a person's e-mail, or the last one of somebody who is gone.
    """

    name: str
    address: str


class Contacts(dict[str, Contact]):
    """Of the people, by their id; an account is called as it is."""

    def __missing__(self, user: str) -> Contact:
        return Contact(user, user)


@dataclass(frozen=True)
class Subject:
    """A person, by their id, or an account, by its name."""

    user: str
    contact: Contact
    balance: Balance | None


class PortalData:
    """The data of a person's pages; every amount is in nanos.

    All of it raises what the client of PocketBase does.
    """

    def __init__(self, pocketbase: PocketBase, person: Person, token: str, tenant: Record) -> None:
        self.person = person
        self.tenant = tenant
        self._pocketbase = pocketbase
        self._token = token

    @classmethod
    async def of(cls, pocketbase: PocketBase, person: Person) -> Self:
        """The data of somebody who is signed in."""
        token = await pocketbase.impersonate(person.id, _TOKEN_SECONDS)
        tenant = await pocketbase.find("tenants", token=token)  # they see no other
        if tenant is None:
            raise NotFoundError("the person is gone")
        return cls(pocketbase, person, token, tenant)

    @property
    def default(self) -> Balance | None:
        """The budget of whoever has none of their own."""
        if not self.tenant["default_period"]:
            return None
        return Balance("", self.tenant["default_period"], int(self.tenant["default_amount"]), 0)

    async def balance(self, user: str) -> Balance | None:
        """Of one person or account."""
        found = await self._find("balances", "user = {user}", {"user": user})
        return Balance.of(found) if found else None

    async def balances(self) -> dict[str, Balance]:
        """Of all that there are to see."""
        return {record["user"]: Balance.of(record) for record in await self._all("balances")}

    async def contacts(self) -> Contacts:
        """Of the people."""
        people = await self._all("users")
        return Contacts({user["id"]: Contact(user["name"], user["email"]) for user in people})

    async def with_former(self, contacts: Contacts, users: Iterable[str]) -> Contacts:
        """The contacts, and those of users who are gone, of whom an address is what is left."""
        if not any(_ID.fullmatch(user) for user in set(users) - contacts.keys()):
            return contacts
        former = sorted(await self._all("former_emails"), key=lambda record: record["until"])
        gone = {record["person"]: Contact(record["email"], record["email"]) for record in former}
        return Contacts({**gone, **contacts})

    async def usage(self, month: Month) -> Usage:
        """The person's own."""
        found = await self._all(
            "usage_days",
            "user = {user} && day >= {first} && day < {next}",
            {"user": self.person.id, **_bounds(month)},
        )
        return Usage.of(month, found)

    async def latest(self, month: Month) -> list[Record]:
        """The person's last requests of a month, the latest first."""
        return await self._list(
            "usage_logs",
            f"user = {{user}} && {_ENDED_IN}",
            {"user": self.person.id, **_bounds(month)},
            sort="-ended_at",
            per_page=_LATEST,
        )

    async def tenant_usage(self, month: Month) -> Usage:
        """Of all people and accounts together."""
        found = await self._all("tenant_days", "month = {month}", {"month": str(month)})
        return Usage.of(month, found)

    async def usage_by_user(self, month: Month) -> dict[str, Sums]:
        """Of each person and account."""
        found = await self._all("tenant_users", "month = {month}", {"month": str(month)})
        return {record["user"]: Sums.of(record) for record in found}

    async def subject(self, user: str) -> Subject:
        """Somebody whose budget may be set: a person, or an account that has or used one."""
        contacts, balance = await asyncio.gather(self.contacts(), self.balance(user))
        if (
            user in contacts
            or balance
            or await self._find("usage_days", "user = {user}", {"user": user})
        ):
            return Subject(user, contacts[user], balance)
        raise NotFoundError(f"there is no {user}")

    async def set_budget(self, user: str, amount: int, period: Period) -> None:
        """Give somebody a budget, or another one."""
        fields = {"amount": amount, "period": period}
        found = await self._find("budgets", "user = {user}", {"user": user})
        if found:
            await self._pocketbase.update("budgets", found["id"], fields, token=self._token)
            return
        new = {"tenant": self.tenant["id"], "user": user, **fields}
        try:
            await self._pocketbase.create("budgets", new, token=self._token)
        except RefusedError as error:
            if not error.is_taken:
                raise
            # Somebody else gave them one just now.
            await self.set_budget(user, amount, period)

    async def log(self, month: Month, user: str | None) -> AsyncIterator[list[Record]]:
        """All requests of a person, or of all, in parts: by user, then as they ended."""
        ended = _ENDED_IN + (" && user = {user}" if user else "")
        filter_, values = ended, _bounds(month) | ({"user": user} if user else {})
        while True:
            part = await self._list("usage_logs", filter_, values, sort=_IN_ORDER, per_page=_PART)
            yield part
            if len(part) < _PART:
                break
            filter_ = f"{ended} && {_AFTER_LAST}"
            values |= {f"last_{name}": part[-1][name] for name in ("user", "ended_at", "id")}
            # A slow download outlives a token.
            self._token = await self._pocketbase.impersonate(self.person.id, _TOKEN_SECONDS)

    async def _all(
        self, collection: str, filter_: str = "", values: Mapping[str, str] = _NOTHING
    ) -> list[Record]:
        filter_, values = self._of_tenant(filter_, values)
        return await self._pocketbase.list_all(collection, filter_, values, token=self._token)

    async def _find(
        self, collection: str, filter_: str, values: Mapping[str, str]
    ) -> Record | None:
        filter_, values = self._of_tenant(filter_, values)
        return await self._pocketbase.find(collection, filter_, values, token=self._token)

    async def _list(
        self, collection: str, filter_: str, values: Mapping[str, str], *, sort: str, per_page: int
    ) -> list[Record]:
        filter_, values = self._of_tenant(filter_, values)
        return await self._pocketbase.list(
            collection, filter_, values, sort=sort, per_page=per_page, token=self._token
        )

    def _of_tenant(self, filter_: str, values: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
        """PocketBase shows no other tenant; it is named so that SQLite goes straight to it."""
        filters = " && ".join(part for part in ("tenant = {tenant}", filter_) if part)
        return filters, {"tenant": self.tenant["id"], **values}


def _bounds(month: Month) -> dict[str, str]:
    return {"first": str(month.first), "next": str(month.next.first)}
