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

from gateway.billing import Billing, BillingAwayError, LogState
from gateway.ledger import AGAIN, OUTBOX, REFUSED, Ledger
from gateway.settings import settings

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
IDLE_SECONDS = 0.8
"""Less than the ledger's patience with Redis."""

GATHER_SECONDS = 0.25
"""One call for several events is far cheaper than a call for each."""

SWEEP_SECONDS = 5.0
REFUSED_SECONDS = 300.0
CHECK_SECONDS = 30.0
"""For so long a Billing API that came back from a backup may lack events of a tenant at rest."""

PROBES = 20
"""Events that must all be logged: one that was sent twice may be there from before."""

CLOCK_SECONDS = 60.0
"""More than the time between the end of a delivery here, and of its transaction there."""

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
            while await deliver_next(ledger, billing, batch):
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

        async def check() -> None:
            await asyncio.sleep(CHECK_SECONDS)
            await check_log(ledger, billing)

        await asyncio.gather(*(persistently(work) for work in (outbox, refused, sweep, check)))


async def deliver_next(ledger: Ledger, billing: Billing, batch: int) -> bool:
    """Deliver the oldest events of all that wait: whether there were any."""
    again = await deliver(ledger, billing, AGAIN, batch)
    return again or await deliver(ledger, billing, OUTBOX, batch)


async def deliver(ledger: Ledger, billing: Billing, stream: str, batch: int) -> bool:
    """Deliver the oldest events of a stream: whether there were any."""
    events = await ledger.waiting(stream, batch)
    if not events:
        return False
    state = await check_log(ledger, billing)
    if state and not state.logged:
        return True  # what it lost goes first
    not_taken = await billing.log([waiting.event for waiting in events])
    taken = [waiting for waiting in events if waiting.event.request_id not in not_taken]
    refused = [waiting for waiting in events if waiting.event.request_id in not_taken]
    if taken and (gone := await ledger.delivered(stream, taken, keep=state is not None)):
        log.error("%d events are kept no longer, and no backup of the Billing API has them", gone)
    if refused:
        await ledger.refuse(stream, refused)
        log.error("the Billing API does not take %s", [each.event.request_id for each in refused])
    return True


async def check_log(ledger: Ledger, billing: Billing) -> LogState | None:
    """Send again what the Billing API lost, and forget what it cannot lose any more.

    It is asked before each delivery for the last ones: so it cannot come back from a backup, and
    hide that with new events.
    """
    last = await ledger.last_kept(PROBES)
    state = await billing.log_state([each.event.request_id for each in last])
    if state and not state.logged:
        number = 0
        while moved := await ledger.resend(last[0]):
            number += moved
        log.error("the Billing API came back from a backup: %d events are sent again", number)
        await asyncio.sleep(IDLE_SECONDS)  # one that never has them is not asked without a pause
    elif state and state.safe_seconds is not None:
        await ledger.forget_kept(state.safe_seconds + CLOCK_SECONDS)
    return state


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
