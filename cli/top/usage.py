"""The use that each service of a stack makes of its host, measured over about a second."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from docker.models.containers import Container

from cli.running import RunningStack
from cli.status.guard import guard_numbers

_MIB = 2**20
_ESTABLISHED = "01"  # of the kernel's table of TCP connections
_TABLES = ("cat", "/proc/net/tcp", "/proc/net/tcp6")
_GATEWAY = "litellm"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The use of one service.

    Attributes:
        stack: slug of the tenant or the core.
        service: its name.
        cpu_percent: 100 is one processor.
        memory_mb: in MiB, without files that the kernel keeps for later.
        memory_limit_mb: the most, in MiB.
        disk_mb: read and written since its start, in MiB.
        connections: that are open.
        requests_per_second: let through by the budget guard; none where there is no guard.
    """

    stack: str
    service: str
    cpu_percent: float
    memory_mb: int
    memory_limit_mb: int
    disk_mb: int
    connections: int
    requests_per_second: float | None


def usage(stack: RunningStack) -> list[Usage]:
    """The use of all services that run, the busiest first."""
    running = {name: each for name, each in stack.containers.items() if each.status == "running"}
    with ThreadPoolExecutor(max(1, 2 * len(running))) as pool:
        rate = pool.submit(_requests_per_second, running.get(_GATEWAY), stack)
        connections = {
            name: pool.submit(_connections, stack, each) for name, each in running.items()
        }
        stats = {name: pool.submit(each.stats, stream=False) for name, each in running.items()}
        found = [
            _usage(
                stack.slug,
                name,
                stats[name].result(),
                connections=connections[name].result(),
                rate=rate.result() if name == _GATEWAY else None,
            )
            for name in running
        ]
    return sorted(found, key=lambda each: each.cpu_percent, reverse=True)


def _usage(slug: str, service: str, stats: Any, *, connections: int, rate: float | None) -> Usage:
    memory = stats["memory_stats"]
    cache = memory.get("stats", {}).get("inactive_file", 0)
    disk = stats["blkio_stats"].get("io_service_bytes_recursive") or ()
    return Usage(
        stack=slug,
        service=service,
        cpu_percent=round(cpu_percent(stats), 1),
        memory_mb=(memory.get("usage", 0) - cache) // _MIB,
        memory_limit_mb=memory.get("limit", 0) // _MIB,
        disk_mb=sum(each["value"] for each in disk if each["op"].lower() in ("read", "write"))
        // _MIB,
        connections=connections,
        requests_per_second=rate,
    )


def cpu_percent(stats: Mapping[str, Any]) -> float:
    """Use of processors between two looks, as Docker describes them; 100 is one of them."""
    now, before = stats["cpu_stats"], stats["precpu_stats"]
    of_host = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    own = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    return 100 * own / of_host * now.get("online_cpus", 1) if of_host > 0 else 0.0


def _connections(stack: RunningStack, container: Container) -> int:
    lines = stack.output(container, _TABLES).decode().splitlines()
    columns = (line.split() for line in lines)
    return sum(len(each) > 3 and each[3] == _ESTABLISHED for each in columns)  # noqa: PLR2004


def _requests_per_second(container: Container | None, stack: RunningStack) -> float | None:
    if container is None:
        return None
    before, started = guard_numbers(stack, container), time.monotonic()
    if before is None:
        return None
    time.sleep(1)
    after = guard_numbers(stack, container)
    passed = time.monotonic() - started
    return round((after["allowed"] - before["allowed"]) / passed, 1) if after else None
