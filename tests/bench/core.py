"""The core's Billing API against bare PocketBase, which is told the same by its own batch API.

Bare is a PocketBase of its own, with the core's collections and without its hooks.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

import aiohttp

from tests.billing.gateway import CHECK, LOG, check, event
from tests.core.billing import Api, billing, key_of, told
from tests.core.processes import POCKETBASE, AppProcess, PocketBaseProcess
from tests.core.superuser import Superuser
from tests.process import Process

ROUNDS = 7
SECONDS = 4
CALLERS = 50
BATCHES = 4
"""Callers that each have a batch under way: a tenant has one sender."""

BATCH = 100
USERS = [f"some.person.{number}@bench.example" for number in range(50)]
TENANT = told("bench", default_budget={"amount": "1000000", "period": "month"})


@dataclass
class Measured:
    """Each list has one figure a round; a batch counts as the events in it."""

    events: int
    callers: int
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{median(self.per_second):,.0f}/s,"
            f" p50 {median(self.p50_ms):.1f} ms, p99 {median(self.p99_ms):.1f} ms"
        )


@dataclass(frozen=True)
class Side:
    """Somebody who is asked again and again for a while."""

    url: str
    headers: dict[str, str]
    body: Callable[[], bytes]
    found: Measured

    async def measure(self) -> None:
        latencies: list[float] = []
        started = time.perf_counter()
        connector = aiohttp.TCPConnector(limit=self.found.callers)
        headers = {"Content-Type": "application/json", **self.headers}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

            async def caller() -> None:
                while time.perf_counter() < started + SECONDS:
                    body = self.body()
                    asked = time.perf_counter()
                    async with session.post(self.url, data=body) as response:
                        text = await response.text()
                        assert response.status == 200, text
                    latencies.append(time.perf_counter() - asked)

            await asyncio.gather(*(caller() for _ in range(self.found.callers)))
        seconds = time.perf_counter() - started
        self.found.per_second.append(len(latencies) * self.found.events / seconds)
        self.found.p50_ms.append(median(latencies) * 1000)
        self.found.p99_ms.append(quantiles(latencies, n=100)[98] * 1000)


def core(folder: Path) -> Iterator[str]:
    """Rows of the report."""
    with ExitStack() as stack:
        pocketbase = stack.enter_context(PocketBaseProcess(folder=made(folder / "core")))
        api = stack.enter_context(billing(folder, pocketbase, TENANT))
        bare = stack.enter_context(bare_pocketbase(made(folder / "bare")))
        gateway = stack.enter_context(Api(api, TENANT.slug))
        for user in USERS:
            while gateway.check(user).status_code != 200:
                time.sleep(0.1)  # the tenant is not there yet
        yield f"core, memory after the start: {memory(PocketBase=pocketbase, billing=api)}"
        sides = make_sides(api, bare)
        for _ in range(ROUNDS):
            for side in sides.values():
                asyncio.run(side.measure())
        yield from rows({name: side.found for name, side in sides.items()})
        yield f"core, memory after the load: {memory(PocketBase=pocketbase, billing=api)}"


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def bare_pocketbase(folder: Path) -> PocketBaseProcess:
    (folder / "migrations").symlink_to(POCKETBASE / "migrations")
    return PocketBaseProcess(folder=folder, source=folder)


def make_sides(api: AppProcess, bare: PocketBaseProcess) -> dict[str, Side]:
    batch = {"enabled": True, "maxRequests": BATCH, "timeout": 30}
    with Superuser(bare.url, bare.password) as superuser:
        superuser.http.patch("/api/settings", json={"batch": batch}).raise_for_status()
        tenant = superuser.tenant(TENANT.slug)
        token = {"Authorization": superuser.http.headers["Authorization"]}
    key = {"X-API-Key": key_of(TENANT.slug)}
    users = (USERS[number % len(USERS)] for number in count())

    def ask() -> bytes:
        return json.dumps(check(TENANT.slug, next(users), cost_estimate="0.01")).encode()

    def log(events: int) -> bytes:
        told = [event(TENANT.slug, next(users)) for _ in range(events)]
        return json.dumps(told if events > 1 else told[0]).encode()

    def write(events: int) -> bytes:
        path = "/api/collections/usage_logs/records"
        bodies = [record(tenant["id"], next(users)) for _ in range(events)]
        requests = [{"method": "POST", "url": path, "body": body} for body in bodies]
        return json.dumps({"requests": requests}).encode()

    def side(url: str, headers: dict[str, str], body: Callable[[], bytes], events: int = 1) -> Side:
        callers = CALLERS if events == 1 else BATCHES
        return Side(url, headers, body, Measured(events, callers))

    check_url, log_url, bare_url = api.url + CHECK, api.url + LOG, f"{bare.url}/api/batch"
    return {
        "check-budget": side(check_url, key, ask),
        "log-usage": side(log_url, key, lambda: log(1)),
        "bare": side(bare_url, token, lambda: write(1)),
        f"log-usage of {BATCH}": side(log_url, key, lambda: log(BATCH), BATCH),
        f"bare of {BATCH}": side(bare_url, token, lambda: write(BATCH), BATCH),
    }


def record(tenant: str, user: str) -> dict[str, Any]:
    """What an event is in PocketBase."""
    return {
        "request_id": uuid4().hex,
        "tenant": tenant,
        "user": user,
        "model": "m",
        "tokens_input": 4,
        "tokens_output": 3,
        "cost": 125,
        "response_time": 250,
        "ended_at": "2026-01-02 03:04:05.678Z",
        "status": "success",
        "estimated": False,
    }


def rows(found: dict[str, Measured]) -> Iterable[str]:
    for name, measured in found.items():
        bare = found[f"bare of {BATCH}" if measured.events > 1 else "bare"]
        ratio = "" if measured is bare else f", ratio {ratio_of(measured, bare):.2f}"
        yield f"core, {name}, {measured.callers} callers: {measured}{ratio}"


def ratio_of(ours: Measured, theirs: Measured) -> float:
    """Of each round, whose two sides had much the same machine."""
    pairs = zip(ours.per_second, theirs.per_second, strict=True)
    return median(our / their for our, their in pairs)


def memory(**processes: Process) -> str:
    """Resident, in MiB."""
    found = []
    for name, process in processes.items():
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        found.append(f"{name} {int(line.split()[1]) / 1024:.0f} MiB")
    return ", ".join(found)
