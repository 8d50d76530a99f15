"""What the tests say to the Billing API of `server.py`, and ask it; and its process."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter

from tests.connections import client
from tests.process import Process

from . import server
from .server import Faults, Logged, Requests

# One for all: it takes longer to make than to use.
HTTP = client(timeout=60)
EVENTS = TypeAdapter(list[Logged])


@dataclass(frozen=True)
class User:
    base_url: str
    tenant: str
    name: str

    def budget(self, total: str | None, *, also: Sequence[str] = ()) -> None:
        """Make the person known, or change the budget; None is for none at all.

        Others may share it, such as the person under another name.
        """
        body = {"tenant": self.tenant, "user": self.name, "total": total, "also": list(also)}
        HTTP.put(f"{self.base_url}/_control/users", json=body).raise_for_status()

    def delete(self) -> None:
        path = f"{quote(self.tenant, safe='')}/{quote(self.name, safe='')}"
        HTTP.delete(f"{self.base_url}/_control/users/{path}").raise_for_status()


@dataclass(frozen=True)
class Billing:
    base_url: str

    def user(self, tenant: str, user: str) -> User:
        return User(self.base_url, tenant, user)

    def events(self, tenant: str) -> list[Logged]:
        answer = HTTP.get(f"{self.base_url}/_control/events", params={"tenant": tenant})
        return EVENTS.validate_json(answer.raise_for_status().content)

    def faults(self, **faults: object) -> None:
        body = Faults.model_validate(faults).model_dump()
        HTTP.put(f"{self.base_url}/_control/faults", json=body).raise_for_status()

    def requests(self) -> Requests:
        answer = HTTP.get(f"{self.base_url}/_control/requests").raise_for_status()
        return Requests.model_validate_json(answer.content)

    def reset(self) -> None:
        HTTP.delete(f"{self.base_url}/_control").raise_for_status()


@dataclass(kw_only=True)
class BillingProcess(Process):
    """The server as a process of this machine; what it has logged outlives it."""

    key: str

    @property
    def billing(self) -> Billing:
        return Billing(self.url)

    def command(self) -> Sequence[str | Path]:
        where = ["--host", self.host, "--port", str(self.port)]
        database = str(self.folder / "billing.sqlite")
        return [sys.executable, server.__file__, *where, "--database", database, "--key", self.key]

    def health(self) -> str:
        return "/health"
