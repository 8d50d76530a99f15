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

from redis.exceptions import RedisError

from gateway.ledger import LEASE_SECONDS, Event, Ledger, Reservation
from gateway.metrics import UNWRITTEN

RENEW_SECONDS = LEASE_SECONDS / 3
GATHER_SECONDS = 0.005
RETRY_SECONDS = 0.5
BATCH = 100

KEPT_EVENTS = 10_000
"""Events to write again if Redis lost its data; the Billing API takes each of them once."""

log = logging.getLogger("gateway.bookkeeper")


class Bookkeeper:
    """Writes what happens to requests into the ledger, in order."""

    def __init__(self, ledger: Ledger, *, longest_request_seconds: int) -> None:
        self._ledger = ledger
        self._longest_ms = longest_request_seconds * 1000
        self._under_way: dict[str, Reservation] = {}
        self._ended: deque[Event] = deque()
        self._written: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._something_ended = asyncio.Event()
        self._writing = asyncio.Lock()
        self._generation = uuid.uuid4().hex
        self._known_generation: str | None = None
        self._tasks = [
            asyncio.create_task(self._write_for_ever()),
            asyncio.create_task(self._renew_for_ever()),
        ]

    def begin(self, request_id: str, reservation: Reservation) -> None:
        """A reservation was made."""
        self._under_way[request_id] = reservation

    def end(self, event: Event) -> None:
        """A request has ended."""
        self._under_way.pop(event.request_id, None)
        self._ended.append(event)
        self._something_ended.set()

    async def rebuild(self) -> None:
        """Tell a Redis that lost its data what it can no longer know.

        Raises:
            RedisError: Redis does not answer.
        """
        async with self._writing:
            await self._rebuild()

    async def _rebuild(self) -> None:
        generation = await self._ledger.generation(self._generation)
        if self._known_generation not in (None, generation):
            log.warning("Redis lost its data: %d requests are put back", len(self._under_way))
            await self._ledger.renew(self._under_way.items())
            for start in range(0, len(self._written), BATCH):
                await self._ledger.settle(list(self._written)[start : start + BATCH])
        self._known_generation = generation

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
            while self._ended:
                UNWRITTEN.set(len(self._ended))
                batch = [self._ended[index] for index in range(min(BATCH, len(self._ended)))]
                # A repeat, after an answer that was lost, is one for the Billing API too.
                await self._ledger.settle(batch)
                for event in batch:
                    self._ended.popleft()
                    self._written.append(event)
        UNWRITTEN.set(0)
        self._something_ended.clear()

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self._renew()
            except (RedisError, OSError) as error:
                log.warning("Redis does not answer: %s", error)

    async def _renew(self) -> None:
        too_old = time.time() * 1000 - self._longest_ms
        async with self._writing:
            await self._rebuild()
            for request_id, reservation in list(self._under_way.items()):
                if reservation.at < too_old:
                    del self._under_way[request_id]
            await self._ledger.renew(self._under_way.items())
