"""A tenant whose people use something."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.core.chat import Chat
from tests.core.identity import Identity, Visitor
from tests.core.superuser import Record

NOW = datetime.now(UTC)


class Company:
    """A tenant, its people and what they use."""

    def __init__(self, portal: Identity, chat: Chat) -> None:
        self.portal = portal
        self.superuser = portal.superuser
        [self.tenant] = self.superuser.list("tenants", "slug = {slug}", slug=chat.slug)
        self.admin = self.person("ada", role="admin")
        self.account = f"api@{chat.slug}"

    def person(self, name: str, **fields: object) -> Record:
        return self.superuser.user(self.tenant, f"{name}-{secrets.token_hex(3)}", **fields)

    def budget(self, user: str, amount: int, period: str = "month") -> Record:
        """Of a person, by e-mail, or an account, by name."""
        return self.superuser.budget(self.tenant, user, amount, period)

    def budgets(self) -> dict[str, tuple[int, str]]:
        """By e-mail of a person, or by name of an account."""
        people = self.superuser.list("users", "tenant = {id}", id=self.tenant["id"])
        emails = {str(person["id"]): str(person["email"]) for person in people}
        records = self.superuser.list("budgets", "tenant = {id}", id=self.tenant["id"])
        return {
            str(emails.get(record["user"], record["user"])): (record["amount"], record["period"])
            for record in records
        }

    def use(self, user: str, cost: int, **fields: object) -> Record:
        """Log a request of somebody."""
        event = self.event(user, cost, **fields)
        self.log([event])
        return event

    def event(self, user: str, cost: int, **fields: object) -> Record:
        event = {
            "request_id": secrets.token_hex(16),
            "tenant": self.tenant["slug"],
            "user": user,
            "model": "large-model",
            "tokens_input": 1200,
            "tokens_output": 340,
            "cost": cost,
            "response_time": 1234,
            "ended_at": written(NOW),
            "status": "success",
            "estimated": False,
        }
        return event | fields

    def log(self, events: Sequence[Record]) -> None:
        answer = self.superuser.http.post("/api/core/log-usage", json=events)
        assert answer.json() == {"logged": len(events), "refused": []}

    def at(self, person: Record, language: str = "en") -> Visitor:
        """Somebody who has signed in."""
        visitor = self.portal.visitor()
        visitor.http.headers["Accept-Language"] = language
        visitor.sign_in(person["email"])
        return visitor


def written(moment: datetime) -> str:
    """As the Billing API writes a moment."""
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}Z"
