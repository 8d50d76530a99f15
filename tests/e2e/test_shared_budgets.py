"""Several names of one payer, in a real Valkey and at a real Billing API: they spend together."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.billing import Billing
from gateway.bookkeeper import Bookkeeper, ReservationRequest
from gateway.budgets import Budgets
from gateway.ledger import OUTBOX, Event, Ledger, Reservation, Verdict
from gateway.outbox_worker import deliver
from gateway.settings import Settings
from money.nanos import to_wire
from tests.billing.client import BillingProcess
from tests.e2e.test_ledger import Valkey, server, valkey
from tests.gateway_settings import gateway_settings

__all__ = ["server", "valkey"]  # fixtures

KEY = "key-of-blue"
PERSON, ADDRESS = "sub-1", "ann@example.com"
BUDGET, COST = 1000, 10


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BillingProcess]:
    with BillingProcess(folder=tmp_path_factory.mktemp("billing"), key=KEY) as running:
        yield running


@pytest.fixture
def billing(process: BillingProcess) -> BillingProcess:
    process.billing.reset()
    process.billing.user("blue", PERSON).budget(to_wire(BUDGET), also=[ADDRESS])
    return process


def settings(process: BillingProcess) -> Settings:
    return gateway_settings(process.url, login=True, contract=2, user_id="subject", currency="EUR")


@asynccontextmanager
async def gateway(
    valkey: Valkey, process: BillingProcess
) -> AsyncIterator[tuple[Budgets, Ledger, Billing]]:
    """One that begins anew and remembers nothing."""
    ledger = valkey.new_ledger()
    bookkeeper = Bookkeeper(ledger, longest_request_seconds=60)
    async with Billing(settings(process), KEY) as client:
        yield Budgets(ledger, bookkeeper, client, grace_seconds=600), ledger, client
    for task in bookkeeper._tasks:
        task.cancel()
    await asyncio.gather(*bookkeeper._tasks, return_exceptions=True)
    await ledger.close()


def wish(number: int, user: str) -> ReservationRequest:
    held = Reservation(user=user, user_id=user, model="m", tokens_in=1, tokens_out=1, at=0)
    return ReservationRequest(
        request_id=f"{user}-{number}", reservation=held, max_cost=COST, min_cost=COST
    )


async def ask_for(
    budgets: Budgets, wishes: list[ReservationRequest]
) -> list[tuple[ReservationRequest, Verdict]]:
    replies = await asyncio.gather(*(budgets.reserve(each) for each in wishes))
    return [(each, reply.verdict) for each, reply in zip(wishes, replies, strict=True)]


def ended(wish: ReservationRequest, user: str) -> Event:
    return Event(
        request_id=wish.request_id,
        user=user,
        user_id=wish.reservation.user_id,
        model="m",
        tokens_in=1,
        tokens_out=1,
        cost=COST,
        milliseconds=1,
        ended_at=1_790_000_000_000,
    )


def test_two_names_cannot_spend_one_budget_twice(valkey: Valkey, billing: BillingProcess) -> None:
    async def spend() -> None:
        async with gateway(valkey, billing) as (budgets, ledger, client):
            both = [wish(number, user) for number in range(100) for user in (PERSON, ADDRESS)]
            answered = await ask_for(budgets, both[:40]) + await ask_for(budgets, both[40:])
            granted = [each for each, verdict in answered if verdict is Verdict.GRANTED]
            assert len(granted) == BUDGET // COST
            assert {each.reservation.user for each in granted} == {PERSON, ADDRESS}
            await ledger.settle([ended(each, PERSON) for each in granted])
            assert await deliver(ledger, client, OUTBOX, 100)

    valkey.run(spend())
    events = billing.billing.events("blue")
    assert sum(event.cost for event in events) == BUDGET
    # Each is told by the name it was asked for with.
    assert {event.user for event in events} == {PERSON, ADDRESS}
    assert valkey.budget(PERSON)["delivered"] == BUDGET


def test_a_name_that_changes_hands_is_another_budget(
    valkey: Valkey, billing: BillingProcess
) -> None:
    other = billing.billing.user("blue", "sub-2")

    async def spend() -> list[Verdict]:
        async with gateway(valkey, billing) as (budgets, _, _):
            first = await ask_for(budgets, [wish(1, ADDRESS)])
            other.budget(to_wire(COST), also=[ADDRESS])
            valkey.age(PERSON, 700_000)
            return [verdict for _, verdict in first + await ask_for(budgets, [wish(2, ADDRESS)])]

    assert valkey.run(spend()) == [Verdict.GRANTED, Verdict.GRANTED]
    assert valkey.budget(PERSON)["reserved"] == valkey.budget("sub-2")["reserved"] == COST
    assert (valkey.budget(PERSON)["total"], valkey.budget("sub-2")["total"]) == (BUDGET, COST)


def test_what_was_spent_under_the_other_name_counts_after_a_restart(
    valkey: Valkey, billing: BillingProcess
) -> None:
    """As before the service said that the two are one."""
    valkey.answer(ADDRESS, remaining=BUDGET)
    valkey.reserve("under way", user=ADDRESS, max_cost=300)

    async def spend() -> Counter[Verdict]:
        async with gateway(valkey, billing) as (budgets, _, _):
            wishes = [wish(number, ADDRESS) for number in range(100)]
            first = await ask_for(budgets, wishes[:1])
            valkey.age(ADDRESS, 31_000)  # so old that it is asked for again
            await ask_for(budgets, wishes[1:2])
            await asyncio.sleep(0.5)
            answered = first + await ask_for(budgets, wishes[2:])
            return Counter(verdict for _, verdict in answered)

    verdicts = valkey.run(spend())
    assert verdicts[Verdict.GRANTED] <= (BUDGET - 300) // COST
    assert valkey.budget(PERSON)["reserved"] + valkey.budget(ADDRESS)["reserved"] <= BUDGET
