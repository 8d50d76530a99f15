"""Nothing is lost and nothing counted twice, whatever is killed while people spend."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from tests.billing.gateway import LOG, Json, event
from tests.core.billing import Api, billing, key_of, told
from tests.core.processes import AppProcess, PocketBaseProcess
from tests.core.superuser import NANOS, Superuser
from tests.process import Process

BLUE = told("blue", default_budget={"amount": "1000", "period": "never"})
USERS = [f"person{number}@blue.example" for number in range(5)]
SENDERS = 20
ROUNDS = 4


@dataclass
class Sender:
    """Sends what it has until it is told that it is logged, as the gateway's sender does."""

    random: random.Random
    sent: list[Json] = field(default_factory=list)
    again: int = 0

    async def send(self, session: aiohttp.ClientSession, until: asyncio.Event) -> None:
        while not until.is_set():
            events = [self._event() for _ in range(self.random.choice((1, 1, 20)))]
            self.sent += events
            body = events if len(events) > 1 else events[0]
            while not await self._is_logged(session, body):
                self.again += 1
                await asyncio.sleep(0.05)

    def _event(self) -> Json:
        cost = Decimal(self.random.randrange(10**6)).scaleb(-9)
        return event("blue", self.random.choice(USERS), cost_total=f"{cost:f}")

    async def _is_logged(self, session: aiohttp.ClientSession, body: object) -> bool:
        try:
            async with session.post(LOG, json=body) as response:
                assert response.status in (200, 503), await response.text()
                return response.status == 200 and (await response.json()) == {"refused": []}
        except (aiohttp.ClientError, TimeoutError):
            return False


@pytest.mark.parametrize("victim", ["billing", "pocketbase"])
def test_what_is_killed_loses_nothing_and_counts_nothing_twice(tmp_path: Path, victim: str) -> None:
    with (
        PocketBaseProcess(folder=tmp_path) as pocketbase,
        billing(tmp_path, pocketbase, BLUE) as api,
    ):
        senders = asyncio.run(spend(api, {"billing": api, "pocketbase": pocketbase}[victim]))

        sent = [event for sender in senders for event in sender.sent]
        assert sum(sender.again for sender in senders) > ROUNDS
        with Superuser(pocketbase.url, pocketbase.password) as superuser:
            logs = superuser.list("usage_logs")
            days = superuser.list("usage_days")
    assert Counter(log["request_id"] for log in logs) == Counter(e["request_id"] for e in sent)
    for user in USERS:
        costs = [Decimal(e["cost_total"]) for e in sent if e["user_id"] == user]
        [day] = [day for day in days if day["user"] == user]
        assert (day["requests"], day["cost"]) == (len(costs), sum(costs) * NANOS)


async def spend(process: AppProcess, victim: Process) -> list[Sender]:
    senders = [Sender(random.Random(number)) for number in range(SENDERS)]
    until = asyncio.Event()
    async with aiohttp.ClientSession(
        process.url,
        headers={"X-API-Key": key_of("blue")},
        timeout=aiohttp.ClientTimeout(total=10),
    ) as session:
        sending = asyncio.gather(*(sender.send(session, until) for sender in senders))
        for _ in range(ROUNDS):
            await asyncio.sleep(0.5)
            victim.kill()
            await asyncio.to_thread(victim.start)
        until.set()
        await sending
    return senders


def test_the_start_waits_for_pocketbase(tmp_path: Path) -> None:
    pocketbase = PocketBaseProcess(folder=tmp_path)
    with (
        billing(tmp_path, pocketbase, BLUE, health="/openapi.json") as process,
        Api(process, "blue") as api,
    ):
        assert api.check(USERS[0]).status_code == 503
        with pocketbase:
            deadline = time.monotonic() + 20
            while api.check(USERS[0]).status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)
