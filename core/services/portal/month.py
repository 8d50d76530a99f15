"""A calendar month, in UTC as everything that was logged."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Self

_WRITTEN = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, order=True)
class Month:
    """Written `2026-11`.

    Attributes:
        first: its first day.
    """

    first: date

    @classmethod
    def now(cls) -> Self:
        """The month of this moment."""
        return cls(datetime.now(UTC).date().replace(day=1))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The month that is written so.

        Raises:
            ValueError: it is no month, or has not begun.
        """
        match = _WRITTEN.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is not a month")
        month = cls(date(int(match[1]), int(match[2]), 1))
        if month > cls.now():
            raise ValueError(f"{text} has not begun")
        return month

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"

    @property
    def days(self) -> list[date]:
        """All of them."""
        _, count = calendar.monthrange(self.first.year, self.first.month)
        return [self.first + timedelta(days=day) for day in range(count)]

    @property
    def next(self) -> Self:
        """The month after it."""
        return type(self)(self.days[-1] + timedelta(days=1))

    @property
    def before(self) -> Self:
        """The month before it."""
        return type(self)((self.first - timedelta(days=1)).replace(day=1))


EARLIER = 12
"""Months before this one that are offered."""


def choices(chosen: Month) -> list[Month]:
    """Months to pick from: this one, those before it, and the one that was chosen."""
    months = [Month.now()]
    while len(months) <= EARLIER:
        months.append(months[-1].before)
    return sorted({chosen, *months}, reverse=True)
