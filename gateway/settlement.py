"""The cost of a request: of each try of it, from what is known of that try, and its event."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.bookkeeper import InFlightRequest
from gateway.ledger import Event
from gateway.prices import words_cost
from money.nanos import from_decimal, from_float, with_markup


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One try of a request, as LiteLLM reports it.

    Attributes:
        model: name of the model that was tried; empty if that is not known.
        tokens_in: of the prompt; 0 if nobody counted.
        tokens_out: of the answer; 0 if nobody counted.
        cost: as LiteLLM calculated it from these; 0 if it cannot.
        info: what is known of the deployment, see `gateway.prices.dearest`.
        estimated: LiteLLM counted, and not the provider.
        cut: the caller left before the provider could count.
    """

    model: str
    tokens_in: int
    tokens_out: int
    cost: float
    info: Mapping[str, Any]
    estimated: bool = False
    cut: bool = False

    @property
    def counts(self) -> tuple[int, int]:
        """Tokens of the prompt and of the answer."""
        return self.tokens_in, self.tokens_out

    @property
    def has_price(self) -> bool:
        """Whether its cost is known; that of a model that is free is 0."""
        return bool(self.cost) or (any(self.counts) and words_cost(self.info, *self.counts) == 0)


def charge(request: InFlightRequest, outcome: Outcome, markup_percent: Decimal) -> None:
    """Add a try whose cost is known."""
    nanos = from_float(outcome.cost, outcome.info.get("rate", Decimal(1)))
    _add(request, outcome.counts, nanos, markup_percent)
    request.model_used = outcome.model or request.reservation.model
    request.estimated |= outcome.estimated
    if outcome.cut:
        _cut(request)


def charge_counts(
    request: InFlightRequest, outcome: Outcome, counts: tuple[int, int], markup_percent: Decimal
) -> None:
    """Add an answer whose cost nobody knows, by tokens that were counted here.

    Without a count or a price, it is everything that was set aside: nothing is free.
    """
    request.model_used = outcome.model or request.reservation.model
    request.estimated = True
    price = words_cost(outcome.info, *counts) if any(counts) else None
    if price is None:
        _charge_all(request)
    else:
        _add(request, counts, from_decimal(price), markup_percent)


def event_of(
    request_id: str, request: InFlightRequest, *, ended_at: int, failed: bool = False
) -> Event:
    """The event of a request that has ended.

    Args:
        request_id: of the request.
        request: with all of its tries.
        ended_at: milliseconds since 1970.
        failed: the caller got an error.
    """
    held = request.reservation
    return Event(
        request_id=request_id,
        user=held.user,
        user_id=held.user_id,
        subject=held.subject,
        model=held.model,
        model_used=request.model_used,
        tokens_in=request.tokens_in,
        tokens_out=request.tokens_out,
        cost=request.cost,
        milliseconds=max(0, ended_at - held.at),
        ended_at=ended_at,
        failed=failed,
        estimated=request.estimated,
        over_reserved=max(0, request.cost - held.amount),
    )


def _add(
    request: InFlightRequest, counts: tuple[int, int], nanos: int, markup_percent: Decimal
) -> None:
    request.tokens_in += counts[0]
    request.tokens_out += counts[1]
    request.cost += with_markup(nanos, markup_percent)


def _cut(request: InFlightRequest) -> None:
    """The provider had no chance to count; what it thought out of sight is billed all the same."""
    request.estimated = True
    if request.thinks:
        _charge_all(request)


def _charge_all(request: InFlightRequest) -> None:
    """As if nobody had seen the end of the request."""
    held = request.reservation
    request.cost, request.estimated = max(held.amount, request.cost), True
    request.tokens_in, request.tokens_out = held.tokens_in, held.tokens_out
