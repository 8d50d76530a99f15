"""Whether a person may spend: the ledger, filled from the Billing API when it has to be."""

import asyncio
import logging
import time
from dataclasses import replace

from redis.exceptions import RedisError

from gateway.billing import Billing, BillingAwayError, Budget
from gateway.bookkeeper import Bookkeeper, ReservationRequest
from gateway.ledger import BalanceQuery, Ledger, ReserveResult, Verdict
from gateway.metrics import BILLING_SECONDS, BILLING_UP

FRESH_SECONDS = 30
"""An older budget is asked for again, while the request goes on with the one that is known."""

PAUSE_SECONDS = 2
"""After a failed question nobody else waits for the Billing API in vain."""

_QUESTIONS = 10
"""Asked in a row before an answer that fits."""

_TO_BE_ASKED = (Verdict.UNKNOWN, Verdict.STALE, Verdict.ASK)

log = logging.getLogger("gateway.budgets")


class Budgets:
    """The budgets of the tenant's people."""

    def __init__(
        self, ledger: Ledger, bookkeeper: Bookkeeper, billing: Billing, *, grace_seconds: int
    ) -> None:
        self._ledger = ledger
        self._bookkeeper = bookkeeper
        self._billing = billing
        self._grace_seconds = grace_seconds
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._shared: dict[str, str] = {}
        self._away_until = 0.0

    async def reserve(self, request: ReservationRequest) -> ReserveResult:
        """Set aside what a request costs; a verdict of UNKNOWN or STALE is the Billing API's fault.

        Raises:
            RedisError: Redis does not answer.
        """
        reply = await self._reserve(request, refreshed=False)
        if reply.verdict not in _TO_BE_ASKED:
            if reply.age_ms > FRESH_SECONDS * 1000:
                self._ask(request)
            return reply
        try:
            await asyncio.shield(self._ask(request))
        except BillingAwayError as error:
            log.warning("the Billing API is away: %s", error)
        return await self._reserve(request, refreshed=True)

    async def _reserve(self, request: ReservationRequest, *, refreshed: bool) -> ReserveResult:
        request = self._as_shared(request)
        return await self._bookkeeper.reserve(
            request, oldest_seconds=self._grace_seconds, refreshed=refreshed
        )

    def _as_shared(self, request: ReservationRequest) -> ReservationRequest:
        """The request under the name that all have who share its payer's budget."""
        held = request.reservation
        name = self._shared.get(held.user, held.user)
        if name == held.user:
            return request
        shared = replace(held, user=name, user_id=held.user_id or held.user)
        return replace(request, reservation=shared, former_key=held.user)

    def _ask(self, request: ReservationRequest) -> "asyncio.Task[None]":
        """One question at a time for each person."""
        user = request.reservation.user
        task = self._asking.get(user)
        if task is None:
            task = asyncio.create_task(self._question(request))
            self._asking[user] = task
            task.add_done_callback(lambda done: self._answered(user, done))
        return task

    def _answered(self, user: str, task: "asyncio.Task[None]") -> None:
        del self._asking[user]
        # Nobody may be waiting for a question that was asked in the background.
        if not task.cancelled() and isinstance(task.exception(), RedisError):
            log.warning("Redis: %s", task.exception())

    async def _question(self, request: ReservationRequest) -> None:
        if time.monotonic() < self._away_until:
            raise BillingAwayError("it was just now")
        for _ in range(_QUESTIONS):
            if await self._ask_once(request):
                return
        raise BillingAwayError("it gives one payer another name each time")

    async def _ask_once(self, wanted: ReservationRequest) -> bool:
        """Whether the answer is in the ledger: one that was emptied meanwhile is another."""
        request = self._as_shared(wanted)
        user = request.reservation.user
        question = await self._ledger.ask(
            user, await self._bookkeeper.rebuild(), request.former_key
        )
        if question is None:
            return False
        budget = await self._checked(request)
        name = budget.payer or wanted.reservation.user
        if name == user:
            return await self._answer(question, budget)
        self._shared[wanted.reservation.user] = name
        if request is wanted:
            # Under this name nothing more is spent, and what was is on its way.
            await self._answer(question, replace(budget, remaining=0))
        return False

    async def _answer(self, question: BalanceQuery, budget: Budget) -> bool:
        return await self._ledger.answer(
            question,
            remaining=budget.remaining,
            total=budget.total,
            words=budget.words,
            used_up=budget.used_up,
            currency=budget.currency,
        )

    async def _checked(self, request: ReservationRequest) -> Budget:
        started = time.monotonic()
        try:
            budget = await self._billing.check(request.reservation, request.max_cost)
        except BillingAwayError:
            self._away_until = time.monotonic() + PAUSE_SECONDS
            BILLING_UP.set(0)
            raise
        finally:
            BILLING_SECONDS.observe(time.monotonic() - started)
        BILLING_UP.set(1)
        return budget
