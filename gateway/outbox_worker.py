"""Tells the Billing API what was used: a process beside LiteLLM.

It also settles requests whose end nobody will see any more. It keeps nothing in memory that is
not in Redis, so it may be killed at any moment.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from gateway.billing import Billing, BillingAwayError
from gateway.ledger import OUTBOX, REFUSED, Ledger
from gateway.settings import settings

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
IDLE_SECONDS = 0.8
"""Less than the ledger's patience with Redis."""

GATHER_SECONDS = 0.25
"""One call for several events is far cheaper than a call for each."""

SWEEP_SECONDS = 5.0
REFUSED_SECONDS = 300.0

log = logging.getLogger("gateway.outbox_worker")


def connect() -> Ledger:
    """The ledger in the Redis that the environment names, with credentials of its own."""
    own = os.environ.get("LEDGER_REDIS_PASSWORD")
    return Ledger(
        host=os.environ["REDIS_HOST"],
        port=int(os.environ["REDIS_PORT"]),
        user=os.environ.get("LEDGER_REDIS_USER", "ledger") if own else None,
        password=own or os.environ.get("REDIS_PASSWORD"),
    )


async def run() -> None:
    """Deliver and sweep, for ever."""
    ledger = connect()
    batch = settings().billed.batch
    async with Billing(settings(), os.environ["BILLING_API_KEY"]) as billing:

        async def outbox() -> None:
            while await deliver(ledger, billing, OUTBOX, batch):
                pass
            await ledger.wait_for_event(IDLE_SECONDS)
            await asyncio.sleep(GATHER_SECONDS)

        async def refused() -> None:
            await asyncio.sleep(REFUSED_SECONDS)
            # Once around: what is refused again goes to the end.
            for _ in range(await ledger.redis.xlen(REFUSED) // batch + 1):
                await deliver(ledger, billing, REFUSED, batch)

        async def sweep() -> None:
            await asyncio.sleep(SWEEP_SECONDS)
            while await ledger.sweep():
                pass

        await asyncio.gather(*(persistently(work) for work in (outbox, refused, sweep)))


async def deliver(ledger: Ledger, billing: Billing, stream: str, batch: int) -> bool:
    """Deliver the oldest events of a stream: whether there were any."""
    events = await ledger.waiting(stream, batch)
    if not events:
        return False
    not_taken = await billing.log([waiting.event for waiting in events])
    taken = [waiting for waiting in events if waiting.event.request_id not in not_taken]
    refused = [waiting for waiting in events if waiting.event.request_id in not_taken]
    if taken:
        await ledger.delivered(stream, taken)
    if refused:
        await ledger.refuse(stream, refused)
        log.error("the Billing API does not take %s", [each.event.request_id for each in refused])
    return True


async def persistently(work: Callable[[], Awaitable[None]]) -> None:
    """Repeat some work for ever, after ever longer pauses while it fails."""
    failures = 0
    while True:
        try:
            await work()
            failures = 0
        except (BillingAwayError, RedisError, TimeoutError, OSError) as error:
            failures += 1
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(failures, 16))
            log.warning("again within %.1f s: %s", pause, error)
            await asyncio.sleep(secrets.SystemRandom().uniform(pause / 2, pause))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    asyncio.run(run())
