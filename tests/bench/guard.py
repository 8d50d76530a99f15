"""What the budget guard costs a request, against the same LiteLLM without it, side by side."""

import asyncio
import io
import os
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
import yaml
from docker import DockerClient

from cli.environment import host_gateway
from tests.billing.client import BillingProcess
from tests.e2e.conftest import Running, provider_container, running
from tests.e2e.project import Project, free_ports
from tests.e2e.tenants import gamma

ROUNDS = 5
REQUESTS = 300
BILLING_KEY = os.environ["CLOUDFREEDOM_BILLING_KEY"]  # the tests set it
CONFIG = "/etc/litellm/config.yaml"
BODY = {"model": "paid", "messages": [{"role": "user", "content": "Hello there " * 50}]}


@dataclass
class Measured:
    """Each list has one figure a round."""

    throughput: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def guard(client: DockerClient, folder: Path, toolchain: str) -> Iterator[str]:
    """Rows of the report."""
    with sides(client, folder, toolchain) as tenants:
        for callers in (10, 50):
            found = {name: Measured() for name in tenants}
            for _ in range(ROUNDS):
                for name, tenant in tenants.items():
                    measure(tenant, callers, found[name])
            yield from rows(callers, found)


@contextmanager
def sides(client: DockerClient, folder: Path, toolchain: str) -> Iterator[Mapping[str, Running]]:
    """The same tenant with the guard, with nothing, and with the naive callback."""
    bridge = host_gateway(client)
    project = Project.new(folder / "project")
    with ExitStack() as stack:
        providers = stack.enter_context(provider_container(client, bridge))
        [port] = free_ports(1, address=bridge)
        billing = stack.enter_context(
            BillingProcess(folder=folder, key=BILLING_KEY, host=bridge, port=port)
        )
        ports = free_ports(6)
        files = [
            gamma(name, chat=chat, api=api, providers=providers, billing=billing.billing)
            for name, chat, api in zip(
                ("guarded", "bare", "naive"), ports[::2], ports[1::2], strict=True
            )
        ]
        del files[1]["billing"]
        tenants = stack.enter_context(running(client, project, toolchain, files))
        for tenant in tenants:
            billing.billing.user(tenant.slug, f"api@{tenant.slug}").budget("100000")
        make_naive(tenants[2])
        found = {tenant.slug: tenant for tenant in tenants}
        for tenant in found.values():
            measure(tenant, 10, Measured())  # the first requests are slower
        yield found


def make_naive(tenant: Running) -> None:
    container = tenant.container("litellm")
    _, text = tenant.run("litellm", "cat", CONFIG)
    config = yaml.safe_load(text)
    config["litellm_settings"]["callbacks"] = ["gateway.naive.naive"]
    code = Path(__file__).with_name("naive.py").read_text(encoding="utf-8")
    files = {"config.yaml": yaml.safe_dump(config), "gateway/naive.py": code}
    # The health check asks the guard, which is not there.
    files["gateway/adapter/callback.py"] = ""
    container.put_archive("/etc/litellm", archive(files))
    container.restart()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        code_, _ = tenant.run(
            "litellm",
            "sh",
            "-c",
            'python3 -c "import urllib.request as r;'
            " r.urlopen('http://127.0.0.1:4000/health/readiness')\"",
        )
        if code_ == 0:
            return
        time.sleep(1)


def archive(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o444
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def measure(tenant: Running, callers: int, found: Measured) -> None:
    before = cpu_seconds(tenant)
    started = time.perf_counter()
    latencies = asyncio.run(load(tenant, callers))
    seconds = time.perf_counter() - started
    time.sleep(0.5)  # what is written after a request belongs to it
    found.throughput.append(REQUESTS / seconds)
    found.p50_ms.append(median(latencies) * 1000)
    found.p99_ms.append(quantiles(latencies, n=100)[98] * 1000)
    found.cpu_ms.append((cpu_seconds(tenant) - before) / REQUESTS * 1000)


def cpu_seconds(tenant: Running) -> float:
    """Of the whole container, the sender included."""
    stats: Any = tenant.container("litellm").stats(stream=False)
    return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


async def load(tenant: Running, callers: int) -> list[float]:
    """Seconds that each request took."""
    latencies: list[float] = []
    numbers = iter(range(REQUESTS))
    headers = {"Authorization": f"Bearer {tenant.key}"}
    connector = aiohttp.TCPConnector(limit=callers)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def caller() -> None:
            for _ in numbers:
                started = time.perf_counter()
                url = f"{tenant.api}/v1/chat/completions"
                async with session.post(url, json=BODY) as response:
                    assert response.status == 200, await response.text()
                    await response.read()
                latencies.append(time.perf_counter() - started)

        await asyncio.gather(*(caller() for _ in range(callers)))
    return latencies


def rows(callers: int, found: Mapping[str, Measured]) -> Iterator[str]:
    bare = found["bare"]
    for name, measured in found.items():
        yield (
            f"{callers} callers, {name}:"
            f" {median(measured.throughput):.1f} requests/s"
            f" (ratio {median(measured.throughput) / median(bare.throughput):.3f}),"
            f" p50 {median(measured.p50_ms):.1f} ms"
            f" ({median(measured.p50_ms) - median(bare.p50_ms):+.1f}),"
            f" p99 {median(measured.p99_ms):.1f} ms"
            f" ({median(measured.p99_ms) - median(bare.p99_ms):+.1f}),"
            f" CPU {median(measured.cpu_ms):.2f} ms a request"
            f" (ratio {median(measured.cpu_ms) / median(bare.cpu_ms):.3f})"
        )
