"""A tenant with budgets, the people that spend them, and what its Billing API knows."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx

from tests.billing.client import Billing
from tests.billing.server import Logged
from tests.e2e.api import client
from tests.e2e.conftest import Running
from tests.e2e.identity import secret, token
from tests.e2e.tenants import PRICE
from tests.e2e.waiting import until
from tests.providers.client import Providers

DAY_SECONDS = 86_400

# Nanos for a token, in and out.
PROMPT, ANSWER = PRICE["input_per_million"] * 1000, PRICE["output_per_million"] * 1000


@dataclass(frozen=True)
class Payer:
    """Somebody with a budget of their own, and how they call the gateway."""

    money: "Money"
    name: str
    gateway: httpx.Client

    def budget(self, total: str | None) -> None:
        self.money.billing.user(self.money.running.slug, self.name).budget(total)

    def events(self) -> list[Logged]:
        events = self.money.billing.events(self.money.running.slug)
        return [event for event in events if event.user == self.name]

    def events_after(self, number: int, *, seconds: float = 15) -> list[Logged]:
        """All events, once there are so many; one too many would show."""
        until(lambda: len(self.events()) >= number, seconds=seconds)
        time.sleep(0.3)
        events = self.events()
        assert len(events) == number, events
        return events

    def spent(self) -> int:
        """Nanos that the Billing API knows of."""
        return sum(event.cost for event in self.events())


@dataclass(frozen=True)
class Money:
    """A tenant, its Billing API and its providers."""

    running: Running
    billing: Billing
    providers: Providers

    def person(self, total: str | None = "1000") -> Payer:
        """Somebody new who chats; without a budget, somebody nobody knows."""
        name = f"person-{secrets.token_hex(4)}@example.com"
        key = secret(self.running, "FORWARD_USER_INFO_HEADER_JWT_SECRET")
        header = token(key, name, seconds=DAY_SECONDS)
        gateway = client(self.running, secret(self.running, "OPENAI_API_KEY"))
        gateway.headers.update(header)
        payer = Payer(self, name, gateway)
        if total is not None:
            payer.budget(total)
        return payer

    def program(self, key: str, user: str) -> Payer:
        """Whoever pays for a program."""
        gateway = client(self.running, self.running.deployer.outputs()[f"litellm_key_{key}"])
        payer = Payer(self, user, gateway)
        payer.budget("1000")
        return payer

    def account(self) -> Payer:
        """Who pays for requests of nobody in particular."""
        payer = Payer(self, f"api@{self.running.slug}", client(self.running))
        payer.budget("1000")
        return payer

    def counted(self, model: str) -> list[tuple[int, int]]:
        """Tokens as the provider counted them, for each call it answered."""
        calls = self.providers.deployment(model).calls()
        return [(c.usage.prompt_tokens, c.usage.completion_tokens) for c in calls if c.usage]


def cost(tokens_in: int, tokens_out: int) -> int:
    """Nanos."""
    return tokens_in * PROMPT + tokens_out * ANSWER


def message(response: httpx.Response) -> str:
    """What a refusal says to a person."""
    error: dict[str, Any] = response.json()["error"]
    return str(error["message"])
