"""A million events that wait for the Billing API: what they weigh, and how fast they are gone."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker import DockerClient

from gateway.billing import Billing
from gateway.ledger import OUTBOX, Event, Ledger
from gateway.outbox_worker import deliver
from gateway.settings import Settings
from images.catalog import load_catalog
from tests.billing.client import BillingProcess
from tests.e2e.project import free_ports
from tests.gateway_settings import gateway_settings

EVENTS = 1_000_000
DELIVERED = 100_000
BATCH = 100
USERS = 200
MIB = 1024 * 1024


def outbox(client: DockerClient) -> str:
    """One row of the report."""
    with (
        valkey(client) as port,
        tempfile.TemporaryDirectory() as folder,
        BillingProcess(folder=Path(folder), key="key") as billing,
    ):
        for number in range(USERS):
            billing.billing.user("bench", user(number)).budget("1000000")
        return asyncio.run(measured(port, billing))


async def measured(port: int, billing: BillingProcess) -> str:
    ledger = Ledger(host="127.0.0.1", port=port, password=None)
    before = await memory(ledger)
    for start in range(0, EVENTS, 1000):
        await ledger.settle([event(number) for number in range(start, start + 1000)])
    held = await memory(ledger) - before
    async with Billing(settings(billing), "key") as client:
        started = time.perf_counter()
        for _ in range(DELIVERED // BATCH):
            assert await deliver(ledger, client, OUTBOX, BATCH)
        seconds = time.perf_counter() - started
    await ledger.close()
    return (
        f"outbox: {EVENTS:,} events hold {held / MIB:.0f} MiB;"
        f" {DELIVERED / seconds:,.0f} delivered a second in batches of {BATCH}"
    )


@contextmanager
def valkey(client: DockerClient) -> Iterator[int]:
    """A Redis of the project's own image, empty, on a port of this host."""
    [port] = free_ports(1)
    container = client.containers.run(
        load_catalog("built").running["redis"].reference,
        ["valkey-server", "--save", "", "--protected-mode", "no", "--port", "6379"],
        ports={"6379/tcp": ("127.0.0.1", port)},
        detach=True,
    )
    try:
        time.sleep(2)
        yield port
    finally:
        container.remove(force=True, v=True)


async def memory(ledger: Ledger) -> int:
    return int((await ledger.redis.info("memory"))["used_memory"])


def user(number: int) -> str:
    return f"some.person.{number % USERS}@example.com"


def event(number: int) -> Event:
    return Event(
        request_id=f"{number:032x}",
        user=user(number),
        model="claude-sonnet",
        tokens_in=1000 + number % 777,
        tokens_out=300 + number % 333,
        cost=7_500_000 + number % 99_999,
        milliseconds=3000 + number % 555,
        ended_at=1_795_513_595_461 + number,
    )


def settings(billing: BillingProcess) -> Settings:
    return gateway_settings(billing.url, tenant="bench", batch=BATCH)
