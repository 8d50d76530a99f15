"""The requests that this LiteLLM has under way, and those that have ended, on their way to Redis.

No request waits for this: what has ended is written down by a task of its own, as soon as Redis
takes it.
"""

import asyncio
import logging
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace

from redis.exceptions import RedisError

from gateway.ledger import LEASE_SECONDS, Event, Ledger, Reservation, ReserveResult, Verdict
from gateway.metrics import UNWRITTEN

RENEW_SECONDS = LEASE_SECONDS / 3
GATHER_SECONDS = 0.005
POLL_SECONDS = 0.005
RETRY_SECONDS = 0.5
BATCH = 100

KEPT_EVENTS = 10_000
"""Events to write again if Redis lost its data; the Billing API takes each of them once."""

log = logging.getLogger("gateway.bookkeeper")


@dataclass(frozen=True, kw_only=True)
class ReservationRequest:
    """A request for a reservation; amounts are nanos.

    Attributes:
        former_key: of its payer.
        thinks: see `Request.thinks`.
    """

    request_id: str
    reservation: Reservation
    max_cost: int
    min_cost: int
    former_key: str = ""
    thinks: bool = False


@dataclass
class InFlightRequest:
    """A request between its reservation and its end, with the tries of it that failed.

    Attributes:
        cost: nanos.
        estimated: a provider's own count never came.
        model_used: name of the model that answered.
    """

    reservation: Reservation
    thinks: bool = False
    cost: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    estimated: bool = False
    model_used: str = ""


class Bookkeeper:
    """Writes what happens to requests into the ledger, in order.

    There is one for each Redis: what is put back after a loss is only what this process knows.
    """

    def __init__(self, ledger: Ledger, *, longest_request_seconds: int) -> None:
        self._ledger = ledger
        self._longest_ms = longest_request_seconds * 1000
        self._under_way: dict[str, InFlightRequest] = {}
        self._reserving = 0
        self._unsure: list[str] = []
        self._ended: deque[Event] = deque()
        self._written: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._something_ended = asyncio.Event()
        self._writing = asyncio.Lock()
        self._generation: str | None = None
        self._tasks = [
            asyncio.create_task(self._write_for_ever()),
            asyncio.create_task(self._renew_for_ever()),
        ]

    async def reserve(
        self, request: ReservationRequest, *, oldest_seconds: int, refreshed: bool
    ) -> ReserveResult:
        """See `Ledger.reserve`; what is granted is under way from now on."""
        self._reserving += 1
        try:
            reply = await self._ledger.reserve(
                request.request_id,
                request.reservation,
                max_cost=request.max_cost,
                min_cost=request.min_cost,
                oldest_seconds=oldest_seconds,
                refreshed=refreshed,
            )
        except BaseException:
            self._unsure.append(request.request_id)
            raise
        finally:
            self._reserving -= 1
        if reply.verdict is Verdict.GRANTED:
            held = replace(request.reservation, amount=reply.amount)
            self._under_way[request.request_id] = InFlightRequest(held, thinks=request.thinks)
        return reply

    def under_way(self, request_id: str) -> InFlightRequest | None:
        """A request that has not ended; None also if it took longer than any request may."""
        return self._under_way.get(request_id)

    def end(self, event: Event) -> None:
        """A request has ended."""
        self._under_way.pop(event.request_id, None)
        self._ended.append(event)
        self._something_ended.set()

    async def rebuild(self) -> str:
        """Tell a Redis that lost its data what it cannot know; the name of its ledger.

        Raises:
            RedisError: Redis does not answer.
        """
        async with self._writing:
            generation = await self._ledger.generation(uuid.uuid4().hex)
            if self._generation not in (None, generation):
                await self._put_back()
            self._generation = generation
        return generation

    async def _put_back(self) -> None:
        # Redis may have granted something just before, and the reply is still on its way.
        while self._reserving:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
        log.warning("Redis lost its data: %d requests are put back", len(self._under_way))
        await self._renew_under_way()
        again = list(self._written)
        for start in range(0, len(again), BATCH):
            await self._ledger.settle(again[start : start + BATCH])
        await self._write_ended()

    async def _write_for_ever(self) -> None:
        while True:
            try:
                await self._something_ended.wait()
                await asyncio.sleep(GATHER_SECONDS)
                await self._write()
            except (RedisError, OSError) as error:
                log.warning("Redis does not take %d events: %s", len(self._ended), error)
                await asyncio.sleep(RETRY_SECONDS)
            except asyncio.CancelledError:
                with suppress(RedisError, OSError):
                    await self._write()
                raise

    async def _write(self) -> None:
        async with self._writing:
            await self._write_ended()
        UNWRITTEN.set(0)
        self._something_ended.clear()

    async def _write_ended(self) -> None:
        while self._ended:
            UNWRITTEN.set(len(self._ended))
            batch = [self._ended[index] for index in range(min(BATCH, len(self._ended)))]
            # A repeat, after an answer that was lost, is one for the Billing API too.
            await self._ledger.settle(batch)
            for event in batch:
                self._ended.popleft()
                self._written.append(event)

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self._renew()
            except (RedisError, OSError) as error:
                log.warning("Redis does not answer: %s", error)

    async def _renew(self) -> None:
        await self.rebuild()
        async with self._writing:
            too_old = time.time() * 1000 - self._longest_ms
            for request_id, request in list(self._under_way.items()):
                if request.reservation.at < too_old:
                    del self._under_way[request_id]
            await self._renew_under_way()
            unsure = self._unsure[:]
            await self._ledger.forget(unsure)
            del self._unsure[: len(unsure)]

    async def _renew_under_way(self) -> None:
        held = [(id_, request.reservation) for id_, request in self._under_way.items()]
        await self._ledger.renew(held)
