"""Admission of a request: its estimate, and the reservation that its budget grants."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from redis.exceptions import OutOfMemoryError, RedisError

from gateway import refusal
from gateway.bookkeeper import ReservationRequest
from gateway.budgets import Budgets
from gateway.estimate import Estimate, Request
from gateway.ledger import Reservation, ReserveResult, Verdict
from gateway.payer import Payer
from gateway.prices import Model
from gateway.request_policy import RequestError, validate_call

# Counted byte by byte, a longer text would have to pay for far more than it is.
_LONG = 100_000

_NO_LEDGER = "Your budget cannot be looked up at the moment. Try again in a moment."
_FULL_LEDGER = (
    "Your budget cannot be looked up, because Redis is full. Tell your administrator, or try again"
    " later."
)

log = logging.getLogger("gateway")


@dataclass(frozen=True)
class Admitted:
    """A request that may be answered.

    Attributes:
        request_id: by which its end is known.
        estimate: of its cost.
        amount: nanos that are reserved for it.
    """

    request_id: str
    estimate: Estimate
    amount: int


class Admission:
    """Admits requests that their payers' budgets cover.

    Args:
        budgets: of the tenant.
        markup_percent: on all prices.
        model: finds a model by its name; a RequestError says that there is none.
        count: counts the tokens of a text.
    """

    def __init__(
        self,
        budgets: Budgets,
        *,
        markup_percent: Decimal,
        model: Callable[[str], Model],
        count: Callable[[str], int],
    ) -> None:
        self._budgets = budgets
        self._markup_percent = markup_percent
        self._model = model
        self._count = count

    async def admit(self, payer: Payer, call_type: str, body: Mapping[str, Any]) -> Admitted:
        """Reserve what a request may cost.

        Args:
            payer: of the request.
            call_type: LiteLLM's name of the kind of request.
            body: the caller's own parameters.

        Raises:
            Refusal: it is not to be answered.
        """
        request_id = uuid.uuid4().hex
        try:
            validate_call(call_type, body)
            request = Request(
                call_type=call_type,
                body=body,
                model=self._model(body["model"]),
                markup_percent=self._markup_percent,
            )
            estimate, amount = await self._reserve(request_id, payer, request)
        except RequestError as error:
            raise refusal.bad_request(str(error), error.param) from None
        except OutOfMemoryError:
            log.warning("Redis is full")
            raise refusal.away(_FULL_LEDGER) from None
        except (RedisError, OSError) as error:
            log.warning("Redis does not answer: %s", error)
            raise refusal.away(_NO_LEDGER) from None
        return Admitted(request_id, estimate, amount)

    async def _reserve(
        self, request_id: str, payer: Payer, request: Request
    ) -> tuple[Estimate, int]:
        """Reserve by a quick estimate, or by a close one where that is too much."""

        async def reserve(estimate: Estimate, min_cost: int) -> ReserveResult:
            reservation = Reservation(
                user=payer.key,
                user_id=payer.user_id,
                subject=payer.subject,
                model=request.body["model"],
                tokens_in=estimate.tokens_in,
                tokens_out=estimate.tokens_out,
                at=int(time.time() * 1000),
            )
            return await self._budgets.reserve(
                ReservationRequest(
                    request_id=request_id,
                    reservation=reservation,
                    max_cost=estimate.max_cost,
                    min_cost=min_cost,
                    former_key=payer.former_key,
                    thinks=request.thinks,
                )
            )

        estimate = request.bound()
        if estimate.tokens_in <= _LONG:
            reply = await reserve(estimate, min_cost=estimate.max_cost)
            if reply.verdict not in (Verdict.BUSY, Verdict.SPENT):
                return estimate, _granted(reply, estimate)
        estimate = await asyncio.to_thread(request.counted, self._count)
        reply = await reserve(estimate, min_cost=estimate.min_cost)
        return estimate, _granted(reply, estimate)


def _granted(reply: ReserveResult, estimate: Estimate) -> int:
    """The amount that is reserved, in nanos.

    Raises:
        Refusal: none is.
    """
    match reply.verdict:
        case Verdict.GRANTED:
            return reply.amount
        case Verdict.REFUSED:
            raise refusal.refused(reply.words)
        case Verdict.BUSY:
            raise refusal.busy(reply)
        case Verdict.SPENT:
            raise refusal.spent(reply, estimate.min_cost)
        case Verdict.LATE:
            raise refusal.away(_NO_LEDGER)
        case _:
            raise refusal.away(
                "Your budget cannot be looked up, because the Billing API does not answer. "
                "Try again later."
            )
