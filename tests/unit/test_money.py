"""Money stays exact from a price to the wire and back."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from money.nanos import LARGEST, for_people, from_float, from_wire, to_wire, with_markup

AMOUNTS = st.integers(-LARGEST, LARGEST)


@given(AMOUNTS)
def test_an_amount_survives_the_wire(nanos: int) -> None:
    text = to_wire(nanos)
    assert from_wire(text) == nanos
    assert "e" not in text.lower()
    assert Fraction(text) * 10**9 == nanos


@pytest.mark.parametrize(("nanos", "wire", "words"), [
    (0, "0", "0.00"),
    (125, "0.000000125", "0.000000125"),
    (10_000_000_000, "10", "10.00"),
    (12_500_000_000, "12.5", "12.50"),
    (-1, "-0.000000001", "-0.000000001"),
    (LARGEST, "8999999.999999999", "8999999.999999999"),
])  # fmt: skip
def test_an_amount_in_its_shortest_form(nanos: int, wire: str, words: str) -> None:
    assert to_wire(nanos) == wire
    assert for_people(nanos) == words


@pytest.mark.parametrize(("value", "nanos"), [
    ("1", 1_000_000_000),
    (1, 1_000_000_000),
    (Decimal("0.1"), 100_000_000),
    ("1e-9", 1),
    ("-0.5", -500_000_000),
])  # fmt: skip
def test_what_counts_as_an_amount(value: object, nanos: int) -> None:
    assert from_wire(value) == nanos


@pytest.mark.parametrize("value", [
    0.1, True, None, "", "ten", "NaN", "Infinity", "0.0000000001", "9007199.254740993", [], {},
])  # fmt: skip
def test_what_does_not_count_as_one(value: object) -> None:
    with pytest.raises(ValueError, match=r"amount|fine"):
        from_wire(value)


@given(
    price=st.decimals(0, Decimal("0.001"), places=12),
    tokens=st.integers(0, 2_000_000),
)
def test_a_float_of_litellm_is_the_exact_product_rounded_up(price: Decimal, tokens: int) -> None:
    exact = Fraction(price) * tokens * 10**9
    assert from_float(float(price) * tokens) == -(-exact // 1)


@given(
    price=st.decimals(0, Decimal("0.001"), places=12),
    tokens=st.integers(0, 2_000_000),
    rate=st.decimals("0.000000001", 1_000_000, places=9),
)
def test_a_price_in_another_currency_is_the_exact_product_rounded_up(
    price: Decimal, tokens: int, rate: Decimal
) -> None:
    exact = Fraction(price) * tokens * Fraction(rate) * 10**9
    assert from_float(float(price) * tokens, rate) == -(-exact // 1)


def test_a_part_of_a_nano_counts_as_one() -> None:
    assert from_float(1.5e-9) == 2
    assert from_float(0.1 + 0.2) == 300_000_000


@given(nanos=st.integers(0, 10**15), percent=st.decimals(0, 1000, places=2))
def test_a_markup_is_exact_and_rounded_up(nanos: int, percent: Decimal) -> None:
    exact = nanos * (1 + Fraction(percent) / 100)
    assert with_markup(nanos, percent) == -(-exact // 1)
