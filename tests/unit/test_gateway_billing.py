"""The gateway's side of the Billing API, against a real one; what it sends follows the contract."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

import pytest

from gateway.billing import Billing, BillingAwayError, Budget
from gateway.ledger import Event
from gateway.settings import Billing as BillingSettings
from gateway.settings import Limits, Settings
from tests.billing import client, contract
from tests.e2e.project import free_ports

T = TypeVar("T")
KEY = "key-of-blue"
ANN = "ann@example.com"
NOBODY = Limits(requests_per_minute=None, tokens_per_minute=None)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[client.BillingProcess]:
    with client.BillingProcess(folder=tmp_path_factory.mktemp("billing"), key=KEY) as running:
        yield running


@pytest.fixture
def api(process: client.BillingProcess) -> Iterator[client.Billing]:
    process.billing.reset()
    process.billing.user("blue", ANN).budget("1")
    yield process.billing
    for sent in process.billing.requests().bodies:
        contract.check_request("POST", sent.path, sent.body)


def settings(api: client.Billing, *, batch: int = 100) -> Settings:
    return Settings(
        tenant="blue",
        account="api@blue",
        login=False,
        billing=BillingSettings(
            url=api.base_url,
            check_path="/api/check-budget",
            log_path="/api/log-usage",
            batch=batch,
            grace_seconds=600,
            contract=1,
            user_id="email",
            currency=None,
            usd_rate=Decimal(1),
        ),
        markup_percent=Decimal(0),
        person=NOBODY,
        keys=(),
        longest_request_seconds=60,
    )


def asked(of: Settings, question: Callable[[Billing], Awaitable[T]], *, key: str = KEY) -> T:
    async def ask() -> T:
        async with Billing(of, key) as billing:
            return await question(billing)

    return asyncio.run(ask())


def check(of: Settings, user: str = ANN, *, key: str = KEY) -> Budget:
    return asked(of, lambda billing: billing.check(user, "gpt", 125), key=key)


def log(of: Settings, *events: Event, key: str = KEY) -> set[str]:
    return asked(of, lambda billing: billing.log(events), key=key)


def event(request_id: str, user: str = ANN, cost: int = 125) -> Event:
    return Event(
        request_id=request_id,
        user=user,
        model="gpt",
        tokens_in=2,
        tokens_out=3,
        cost=cost,
        milliseconds=50,
        ended_at=1_795_513_595_461,
    )


def test_a_budget(api: client.Billing) -> None:
    log(settings(api), event("one"))
    assert check(settings(api)) == Budget(remaining=999_999_875, total=1_000_000_000, words="")


@pytest.mark.parametrize(("user", "words"), [
    ("eve@example.com", "eve@example.com"),
    ("bob@example.com", "budget"),
])  # fmt: skip
def test_a_refusal_has_the_words_of_the_billing_api(
    api: client.Billing, user: str, words: str
) -> None:
    api.user("blue", "bob@example.com").budget(None)
    budget = check(settings(api), user)
    assert budget.remaining == 0
    assert words in budget.words


def test_a_budget_that_is_spent(api: client.Billing) -> None:
    log(settings(api), event("all", cost=1_000_000_000))
    budget = check(settings(api))
    assert (budget.remaining, budget.total) == (0, 1_000_000_000)
    assert budget.words


@pytest.mark.parametrize("fault", [
    {"status": 500}, {"status": 503}, {"malformed": True}, {"answer_lost": True},
    {"delay_seconds": 2},
])  # fmt: skip
def test_no_answer_is_no_budget(api: client.Billing, fault: dict[str, object]) -> None:
    api.faults(**fault)
    with pytest.raises(BillingAwayError):
        check(settings(api))


def test_a_wrong_key_is_no_answer(api: client.Billing) -> None:
    with pytest.raises(BillingAwayError, match="refuses the tenant's key"):
        check(settings(api), key="wrong")
    with pytest.raises(BillingAwayError, match="refuses the tenant's key"):
        log(settings(api), event("one"), key="wrong")


def test_nobody_listens() -> None:
    [port] = free_ports(1)
    with pytest.raises(BillingAwayError, match="Connect"):
        check(settings(client.Billing(f"http://127.0.0.1:{port}")))


@pytest.mark.parametrize("batch", [1, 100])
def test_events_arrive_once_and_as_they_are(api: client.Billing, batch: int) -> None:
    events = [replace(event("one"), failed=True), replace(event("two", cost=0), estimated=True)]
    for _ in range(2):
        assert log(settings(api, batch=batch), *events) == set()
    logged = api.events("blue")
    assert [(each.request_id, each.cost) for each in logged] == [("one", 125), ("two", 0)]
    assert [each.status for each in logged] == ["failure", "success"]
    assert [each.estimated for each in logged] == [False, True]
    assert logged[0].ended_at == "2026-11-24T09:46:35.461Z"
    assert api.requests().repeats == 2


@pytest.mark.parametrize("batch", [1, 100])
def test_what_is_not_taken_is_named_and_the_rest_is_logged(api: client.Billing, batch: int) -> None:
    events = [event("one"), event("two", user="eve@example.com"), event("three")]
    assert log(settings(api, batch=batch), *events) == {"two"}
    assert [each.request_id for each in api.events("blue")] == ["one", "three"]


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("fault", [{"status": 500}, {"answer_lost": True}])
def test_a_failure_delivers_nothing_for_sure(
    api: client.Billing, batch: int, fault: dict[str, object]
) -> None:
    api.faults(**fault)
    with pytest.raises(BillingAwayError):
        log(settings(api, batch=batch), event("one"))
    api.faults()
    assert log(settings(api, batch=batch), event("one")) == set()
    assert len(api.events("blue")) == 1
