"""Money as integers: one unit is a nano, 10⁻⁹ of the currency of the budget.

A token of a cheap model costs a fraction of a millionth, so cents would not do.
"""

from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation

NANOS = 1_000_000_000
LARGEST = 8_999_999_999_999_999
"""Below nine million of the currency, and below 2⁵³: what stays exact in Redis and PocketBase."""

# A binary float carries 15 digits. Twelve places are less than that for whatever a request costs,
# and more than a price of a token has, so rounding to them gives the exact product back.
_PLACES_OF_A_FLOAT = Decimal("1e-12")

# Enough for every place of an amount and of a rate.
_EXACT = Context(prec=60)


def from_wire(amount: object) -> int:
    """Nanos of a decimal as the Billing API writes it: a string, or a number read as Decimal.

    Raises:
        ValueError: it is no decimal, has more than nine places, or is too large.
    """
    if isinstance(amount, bool) or not isinstance(amount, str | int | Decimal):
        raise ValueError(f"{amount!r} is not an amount")
    try:
        nanos = Decimal(amount) * NANOS
        if nanos != nanos.to_integral_value() or abs(nanos) > LARGEST:
            raise ValueError(f"{amount!r} is too fine or too large")
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount") from None
    return int(nanos)


def to_wire(nanos: int) -> str:
    """The decimal that the Billing API reads: 125 nanos are `0.000000125`."""
    text = f"{Decimal(nanos).scaleb(-9):.9f}".rstrip("0")
    return text.removesuffix(".")


def for_people(nanos: int) -> str:
    """An amount in a sentence: at least two places, and no more than it takes."""
    whole, _, places = to_wire(nanos).partition(".")
    return f"{whole}.{places:<02}"


def from_float(cost: float, rate: Decimal = Decimal(1)) -> int:
    """Nanos of what LiteLLM calculated; a part of one counts as one.

    Args:
        cost: in the currency of the price.
        rate: what one of that is in the currency of the budget.
    """
    exact = Decimal(cost).quantize(_PLACES_OF_A_FLOAT)
    return int(_EXACT.multiply(exact * NANOS, rate).to_integral_value(ROUND_CEILING))


def from_decimal(amount: Decimal) -> int:
    """Nanos; a part of one counts as one."""
    return int((amount * NANOS).to_integral_value(ROUND_CEILING))


def with_markup(nanos: int, percent: Decimal) -> int:
    """A provider's price with the tenant's markup; a part of a nano counts as one."""
    return int((nanos * (1 + percent / 100)).to_integral_value(ROUND_CEILING))
