"""Amounts, counts and times as people of a language read and write them."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import (
    NumberFormatError,
    NumberPattern,
    format_currency,
    format_decimal,
    format_percent,
    get_currency_symbol,
    get_decimal_symbol,
    parse_decimal,
    parse_pattern,
)

from money.nanos import LARGEST, NANOS, from_wire

LARGEST_BUDGET = LARGEST // NANOS * NANOS
"""The largest budget that a person can set."""

# Cents say enough of ten euros, and nothing of what one request costs.
_PLACES = ((10 * NANOS, 2), (NANOS // 10, 4))
_FINEST = 6
_ALL_PLACES = "00#######"

_AMOUNT = re.compile(r"[0-9.,]+", re.ASCII)


@dataclass(frozen=True)
class Formats:
    """The formats of one language; the currency is an ISO 4217 code."""

    language: str
    currency: str

    def money(self, nanos: int, *, beside: int = 0) -> str:
        """An amount, with as many places as it takes to tell it from what it stands beside.

        Args:
            nanos: the amount.
            beside: the largest amount of the same column or sentence, so that all have the
                same number of places.
        """
        places = _places(max(nanos, beside))
        smallest = NANOS // 10**places
        if 0 < nanos < smallest:
            return f"< {self._currency(smallest, '0' * places)}"
        return self._currency(nanos, "0" * places)

    def in_full(self, nanos: int) -> str:
        """An amount with all the places that it has, and at least two."""
        return self._currency(nanos, _ALL_PLACES)

    def exact(self, nanos: int) -> str:
        """The same without the currency, as a person would write it."""
        return format_decimal(_units(nanos), f"0.{_ALL_PLACES}", locale=self.language)

    def amount(self, text: str) -> int:
        """Nanos of what a person wrote: `12,50` in German, with or without the currency.

        Raises:
            ValueError: it is no amount of this language, or too large a one.
        """
        for symbol in (self.symbol, self.currency):
            text = text.strip().removeprefix(symbol).removesuffix(symbol)
        text = text.strip()
        if not _AMOUNT.fullmatch(text):
            raise ValueError("no amount")
        try:
            nanos = from_wire(parse_decimal(text, locale=self.language, strict=True))
        except NumberFormatError:
            raise ValueError("no amount of this language") from None
        if nanos > LARGEST_BUDGET:
            raise ValueError("too large")
        return nanos

    @property
    def symbol(self) -> str:
        """Of the currency."""
        return get_currency_symbol(self.currency, locale=self.language)

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma separates the places, so that a spreadsheet's columns cannot."""
        return get_decimal_symbol(self.language) == ","

    def count(self, number: int) -> str:
        """A number of things."""
        return format_decimal(number, locale=self.language)

    def percent(self, part: int, whole: int) -> str:
        """A share; a part is neither nothing nor all of it."""
        percent = (100 * part + whole // 2) // whole if whole else 0
        if 0 < part < whole and not 0 < percent < 100:  # noqa: PLR2004
            return f"< {self._percent(1)}" if percent == 0 else f"> {self._percent(99)}"
        return self._percent(percent)

    def month(self, day: date) -> str:
        """Such as `November 2026`."""
        return format_skeleton("yMMMM", day, locale=self.language)

    def day(self, day: date) -> str:
        """Such as `1 December`, in a sentence or a row of this year."""
        return format_skeleton("MMMMd", day, locale=self.language)

    def full_day(self, day: date) -> str:
        """Such as `20 November 2026`."""
        return format_date(day, "long", locale=self.language)

    def decimal(self, number: Decimal) -> str:
        """A number with all of its places."""
        return format_decimal(number, decimal_quantization=False, locale=self.language)

    def moment(self, written: str) -> str:
        """Day of this year and time, to the second, of what PocketBase writes."""
        moment = datetime.fromisoformat(written)
        clock = format_time(moment, "HH:mm:ss", locale=self.language)
        return f"{format_skeleton('MMMd', moment, locale=self.language)}, {clock}"

    def seconds(self, milliseconds: int) -> str:
        """A duration."""
        seconds = Decimal(milliseconds).scaleb(-3)
        return f"{format_decimal(seconds, '#,##0.0', locale=self.language)}\xa0s"

    def _percent(self, percent: int) -> str:
        return format_percent(Decimal(percent).scaleb(-2), locale=self.language)

    def _currency(self, nanos: int, places: str) -> str:
        return format_currency(
            _units(nanos),
            self.currency,
            _pattern(self.language, places),
            locale=self.language,
            currency_digits=False,
        )


@cache
def _pattern(language: str, places: str) -> NumberPattern:
    """The pattern of an amount, with the currency in its place and a number of decimals."""
    standard = Locale.parse(language).currency_formats["standard"].pattern
    return parse_pattern(standard.replace("0.00", f"0.{places}"))


def _places(largest: int) -> int:
    return next((places for least, places in _PLACES if largest >= least), _FINEST)


def _units(nanos: int) -> Decimal:
    return Decimal(nanos).scaleb(-9)
