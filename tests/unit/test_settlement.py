"""The cost of a request, from what LiteLLM reports of each try."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.bookkeeper import InFlightRequest
from gateway.ledger import Reservation
from gateway.settlement import Outcome, charge, charge_counts, event_of

NO_MARKUP = Decimal(0)
# A dollar a million tokens is 1,000 nanos a token.
PRICED = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
FREE = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}
RESERVED = Reservation(
    user="ann", user_id="ann@example.com", subject="s1", model="asked", tokens_in=1000,
    tokens_out=500, at=1_000, amount=2_000_000,
)  # fmt: skip


def request(*, thinks: bool = False) -> InFlightRequest:
    return InFlightRequest(RESERVED, thinks=thinks)


def outcome(**differs: Any) -> Outcome:
    usual: dict[str, Any] = {
        "model": "used",
        "tokens_in": 10,
        "tokens_out": 5,
        "cost": 2e-5,
        "info": PRICED,
    }
    return Outcome(**usual | differs)


def test_a_try_costs_what_litellm_says() -> None:
    paid = request()
    charge(paid, outcome(), NO_MARKUP)
    assert (paid.cost, paid.tokens_in, paid.tokens_out) == (20_000, 10, 5)
    assert (paid.model_used, paid.estimated) == ("used", False)


def test_tries_add_up() -> None:
    paid = request()
    for _ in range(3):
        charge(paid, outcome(), NO_MARKUP)
    assert (paid.cost, paid.tokens_in, paid.tokens_out) == (60_000, 30, 15)


@pytest.mark.parametrize(("rate", "markup", "nanos"), [
    ("1", "0", 20_000), ("0.5", "0", 10_000), ("1", "50", 30_000), ("2", "25", 50_000),
])  # fmt: skip
def test_rate_and_markup_are_in_it(rate: str, markup: str, nanos: int) -> None:
    paid = request()
    charge(paid, outcome(info=PRICED | {"rate": Decimal(rate)}), Decimal(markup))
    assert paid.cost == nanos


def test_a_count_of_litellms_own_is_an_estimate() -> None:
    paid = request()
    charge(paid, outcome(estimated=True), NO_MARKUP)
    charge(paid, outcome(), NO_MARKUP)
    assert paid.estimated


@pytest.mark.parametrize(("thinks", "cost", "counts"), [
    (False, 20_000, (10, 5)), (True, RESERVED.amount, (1000, 500)),
])  # fmt: skip
def test_thoughts_that_were_cut_off_cost_what_was_reserved(
    thinks: bool, cost: int, counts: tuple[int, int]
) -> None:
    paid = request(thinks=thinks)
    charge(paid, outcome(cut=True), NO_MARKUP)
    assert (paid.cost, (paid.tokens_in, paid.tokens_out)) == (cost, counts)
    assert paid.estimated


@pytest.mark.parametrize(("differs", "has_price"), [
    ({}, True),
    ({"cost": 0.0}, False),
    ({"cost": 0.0, "info": FREE}, True),
    ({"cost": 0.0, "info": FREE, "tokens_in": 0, "tokens_out": 0}, False),
    ({"cost": 0.0, "info": {}}, False),
])  # fmt: skip
def test_only_a_model_that_is_free_costs_nothing(differs: dict[str, Any], has_price: bool) -> None:
    assert outcome(**differs).has_price is has_price


@pytest.mark.parametrize(("info", "counts", "cost"), [
    (PRICED, (10, 5), 20_000),
    (PRICED | {"rate": Decimal("0.5")}, (10, 5), 10_000),
    (PRICED, (0, 0), RESERVED.amount),  # nobody counted
    ({}, (10, 5), RESERVED.amount),  # nobody knows a price
    ({"input_cost_per_token": 1e-6}, (10, 5), RESERVED.amount),
    ({"input_cost_per_token": 1e-6}, (10, 0), 10_000),
])  # fmt: skip
def test_what_was_counted_here_is_an_estimate_and_never_free(
    info: dict[str, Any], counts: tuple[int, int], cost: int
) -> None:
    paid = request()
    charge_counts(paid, outcome(info=info), counts, NO_MARKUP)
    assert paid.cost == cost
    assert paid.estimated


def test_what_is_charged_in_full_is_never_less_than_was_counted() -> None:
    paid = request()
    charge(paid, outcome(cost=0.005), NO_MARKUP)
    charge_counts(paid, outcome(), (0, 0), NO_MARKUP)
    assert paid.cost == 5_000_000


def test_an_event_says_whose_it_was_and_what_was_not_reserved() -> None:
    paid = request()
    charge(paid, outcome(cost=0.0021, model=""), NO_MARKUP)
    event = event_of("r1", paid, ended_at=1_250)
    assert (event.request_id, event.user, event.user_id, event.subject) == (
        "r1", "ann", "ann@example.com", "s1",
    )  # fmt: skip
    assert (event.model, event.model_used) == ("asked", "asked")
    assert (event.cost, event.over_reserved) == (2_100_000, 100_000)
    assert (event.milliseconds, event.ended_at, event.failed) == (250, 1_250, False)


def test_an_event_of_a_failure_without_an_answer_costs_nothing() -> None:
    event = event_of("r1", request(), ended_at=900, failed=True)
    assert (event.cost, event.over_reserved, event.milliseconds, event.failed) == (0, 0, 0, True)
