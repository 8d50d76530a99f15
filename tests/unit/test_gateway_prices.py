"""The most that a request can cost is never less than what it does cost."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.prices import (
    ANSWER_TOKENS,
    SEARCHES,
    WINDOW_TOKENS,
    Price,
    Prompt,
    dearest,
    words_cost,
)

PLAIN = {"input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06}
FULL = {
    **PLAIN,
    "input_cost_per_token_batches": 9e-06,
    "input_cost_per_token_flex": 9e-06,
    "input_cost_per_token_priority": 2e-06,
    "input_cost_per_token_above_200k_tokens": 3e-06,
    "cache_creation_input_token_cost": 1.25e-06,
    "cache_read_input_token_cost": 1e-07,
    "input_cost_per_audio_token": 1e-05,
    "output_cost_per_reasoning_token": 5e-06,
    "output_cost_per_token_priority": 8e-06,
    "output_cost_per_audio_token": 2e-05,
    "search_context_cost_per_query": {"search_context_size_low": 0.01, "high": 0.03},
    "max_input_tokens": 400_000,
    "max_output_tokens": 64_000,
    "supports_vision": True,
}


def price(info: dict[str, Any], prompt: Prompt | None = None, markup: str = "0") -> Price:
    return dearest([info]).price(prompt or Prompt(tokens=100), Decimal(markup))


@pytest.mark.parametrize(("prompt", "nanos_in", "nanos_out", "nanos_request"), [
    (Prompt(tokens=100), "1250", "5000", "0"),
    (Prompt(tokens=200_000), "1250", "5000", "0"),
    (Prompt(tokens=200_001), "3000", "5000", "0"),
    (Prompt(tokens=100, tier=True), "2000", "8000", "0"),
    (Prompt(tokens=100, media=frozenset({"audio"})), "10000", "20000", "0"),
    (Prompt(tokens=100, media=frozenset({"image"})), "1250", "5000", "0"),
    (Prompt(tokens=100, searches=True), "1250", "5000", str(SEARCHES * 30_000_000)),
])  # fmt: skip
def test_the_dearest_price_that_can_apply(
    prompt: Prompt, nanos_in: str, nanos_out: str, nanos_request: str
) -> None:
    found = price(FULL, prompt)
    assert found.input == Decimal(nanos_in)
    assert found.output == Decimal(nanos_out)
    assert found.request == Decimal(nanos_request)


def test_a_price_is_the_decimal_of_the_map_and_not_its_float() -> None:
    assert price({"input_cost_per_token": 7.5e-08, "output_cost_per_token": 3e-07}) == Price(
        input=Decimal(75), output=Decimal(300), request=Decimal(0)
    )


def test_a_markup_is_on_everything() -> None:
    assert price(PLAIN, markup="12.5").input == Decimal(1125)
    assert price(FULL, Prompt(tokens=1, searches=True), markup="100").request == (
        SEARCHES * 60_000_000
    )


def test_a_price_in_dollars_is_multiplied_by_the_rate() -> None:
    euros = FULL | {"rate": Decimal("0.86"), "request_at_most": "0.05"}
    model = dearest([euros])
    found = model.price(Prompt(tokens=1, searches=True), Decimal(0))
    assert (found.input, found.output) == (Decimal("1075"), Decimal("4300"))
    assert found.request == SEARCHES * Decimal("25800000")
    # What the tenant's file says is in the budget's currency.
    assert model.request_at_most == 50_000_000
    both = dearest([euros, PLAIN]).price(Prompt(tokens=1), Decimal(0))
    assert (both.input, both.output) == (Decimal("1075"), Decimal("4300"))


@pytest.mark.parametrize(("info", "expected"), [
    (PLAIN, "0.000018"),
    (PLAIN | {"rate": Decimal("0.5")}, "0.000009"),
    (FULL, "0.000018"),
    ({"input_cost_per_token": 0, "output_cost_per_token": 0}, "0"),
    ({"input_cost_per_token": 1e-06}, None),
    ({"output_cost_per_token": 1e-06}, None),
    ({}, None),
])  # fmt: skip
def test_words_have_a_price_of_their_own(info: dict[str, Any], expected: str | None) -> None:
    assert words_cost(info, 10, 2) == (None if expected is None else Decimal(expected))


def test_a_prompt_alone_needs_no_price_of_an_answer() -> None:
    assert words_cost({"input_cost_per_token": 1e-06}, 10, 0) == Decimal("0.00001")


def test_the_dearest_of_several_deployments_and_fallbacks() -> None:
    model = dearest([FULL, PLAIN | {"output_cost_per_token": 1e-04, "request_at_most": "0.05"}])
    found = model.price(Prompt(tokens=1), Decimal(0))
    assert (found.input, found.output) == (Decimal(1250), Decimal(100_000))
    assert model.window == 400_000
    assert model.answer_tokens is None  # nobody knows the second one's
    assert model.request_at_most == 50_000_000


def test_unknown_limits_have_a_default() -> None:
    model = dearest([PLAIN])
    assert (model.window, model.answer_tokens) == (WINDOW_TOKENS, None)
    assert dearest([FULL]).answer_tokens == 64_000


PRICES = st.decimals(0, 10**6, places=3)


@given(
    found=st.builds(Price, input=PRICES, output=PRICES, request=PRICES),
    tokens_in=st.integers(0, 10**6),
    amount=st.integers(0, 10**13),
)
def test_a_capped_answer_costs_no_more_than_was_set_aside(
    found: Price, tokens_in: int, amount: int
) -> None:
    tokens = found.answer_tokens(amount, tokens_in)
    if tokens > 0 and found.output:
        assert found.of(tokens_in, tokens) <= amount
        assert found.of(tokens_in, tokens + 2) > amount - found.output
    if not found.output:
        assert tokens == ANSWER_TOKENS
