"""Usage of a month, added up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Self

from core.services.pocketbase import Record
from core.services.portal.month import Month

COLOURS = 7
"""Number of chart colours; the last is shared by all remaining models."""


def answered(asked: str, used: str) -> str:
    """The model that was asked for, and the one that answered in its place, if another did."""
    return f"{asked} → {used}" if used not in ("", asked) else asked


@dataclass(frozen=True)
class Sums:
    """Of requests; the cost is in nanos."""

    requests: int = 0
    tokens_input: int = 0
    tokens_output: int = 0
    cost: int = 0

    @classmethod
    def of(cls, record: Record) -> Self:
        """Counts of a record of PocketBase."""
        return cls(**{name: int(record[name]) for name in cls.__dataclass_fields__})

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.requests + other.requests,
            self.tokens_input + other.tokens_input,
            self.tokens_output + other.tokens_output,
            self.cost + other.cost,
        )


@dataclass(frozen=True)
class Usage:
    """Of a month, by day and model."""

    month: Month
    parts: Mapping[tuple[date, str], Sums]

    @classmethod
    def of(cls, month: Month, records: Iterable[Record]) -> Self:
        """The sum of records of days and models."""
        parts: defaultdict[tuple[date, str], Sums] = defaultdict(Sums)
        for record in records:
            model = answered(record["model"], record["model_used"])
            parts[date.fromisoformat(record["day"]), model] += Sums.of(record)
        return cls(month, dict(sorted(parts.items())))

    @cached_property
    def total(self) -> Sums:
        """All of it."""
        return sum(self.parts.values(), Sums())

    @cached_property
    def models(self) -> dict[str, Sums]:
        """By model, what cost the most first."""
        models: defaultdict[str, Sums] = defaultdict(Sums)
        for (_, model), sums in self.parts.items():
            models[model] += sums
        return dict(sorted(models.items(), key=lambda item: (-item[1].cost, item[0])))

    @cached_property
    def days(self) -> dict[date, Sums]:
        """By day, for days with requests."""
        days: defaultdict[date, Sums] = defaultdict(Sums)
        for (day, _), sums in self.parts.items():
            days[day] += sums
        return dict(days)

    @property
    def dearest_day(self) -> date:
        """Of the days with requests."""
        return max(self.days, key=lambda day: self.days[day].cost)

    @property
    def series(self) -> list[list[int]]:
        """Nanos for each day of the month, for each colour; one of nothing if nothing was used."""
        count = min(len(self.models), COLOURS) or 1
        series = [[0] * len(self.month.days) for _ in range(count)]
        colours = {model: min(place, COLOURS - 1) for place, model in enumerate(self.models)}
        for (day, model), sums in self.parts.items():
            series[colours[model]][day.day - 1] += sums.cost
        return series
