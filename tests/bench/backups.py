"""Backups of a tenant with 1 GiB of rows, beside PostgreSQL's own tools in the same run."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from threading import Event, Thread
from typing import Any

import httpx
from docker import DockerClient

from cli.environment import docker_address
from cli.restore.restore import Restore
from cli.running import RunningStack
from tests.e2e.conftest import Running, running
from tests.e2e.host_folder import host_folder
from tests.e2e.project import Project, free_ports
from tests.e2e.tenants import beta

ROWS = 1024
CHANGED = ROWS // 100
MIB = 1024 * 1024
LOOK_SECONDS = 0.1

# Text that is not to be compressed, a MiB a row.
TEXT = "(SELECT string_agg(md5(random()::text || m || n), '') FROM generate_series(1, 32768) AS m)"
FILL = f"""
CREATE TABLE bench (n int PRIMARY KEY, text text);
ALTER TABLE bench ALTER text SET STORAGE EXTERNAL;
INSERT INTO bench SELECT n, {TEXT} FROM generate_series(1, {ROWS}) AS n;
"""
CHANGE = f"UPDATE bench SET text = {TEXT} WHERE n <= {CHANGED}"
PLAIN = "/var/lib/postgresql/data/plain"


def backups(client: DockerClient, project: Project, toolchain: str) -> list[str]:
    """Rows of the report."""
    chat, api = free_ports(2)
    file = beta("bench", chat=chat, api=api)
    with (
        host_folder(client) as folder,
        running(client, project, toolchain, [file], backup={"repository": folder}) as up,
    ):
        return _measured(up[0], RunningStack(docker_address(), "bench"))


def _measured(tenant: Running, stack: RunningStack) -> list[str]:
    _sql(stack, FILL)
    plain_dump = _timed(lambda: _postgres(stack, "pg_dump", "-Fd", "-j2", "-f", PLAIN, "openwebui"))
    _sql(stack, "CREATE DATABASE plain")
    plain_load = _timed(lambda: _postgres(stack, "pg_restore", "-j2", "-d", "plain", PLAIN))
    _sql(stack, "DROP DATABASE plain")
    _postgres(stack, "rm", "-r", PLAIN)
    full = _timed(lambda: _backup(stack, "make"))
    _sql(stack, CHANGE)
    second = _timed(lambda: _backup(stack, "make"))
    added = json.loads(_backup(stack, "list", "--json"))["sets"][-1]["added"]
    proof = _timed(lambda: _backup(stack, "prove"))
    restore = Restore(stack, lambda _: None)
    beside = _timed(lambda: restore.beside("latest"))
    restore.forget()
    with _outage(tenant) as gaps:
        whole = _timed(lambda: restore.run("latest"))
    return [
        f"backup of 1 GiB: {full:.1f} s, {plain_dump / full:.2f} of pg_dump's speed"
        f" ({plain_dump:.1f} s)",
        f"second backup, 1 % changed: {second:.1f} s, {added / MIB:.1f} MiB added",
        f"proof: {proof:.1f} s",
        f"a set written beside the living data: {beside:.1f} s, {plain_load / beside:.2f} of"
        f" pg_restore's speed ({plain_load:.1f} s)",
        f"restore: {whole:.1f} s; the chat was away for {max(gaps):.1f} s",
    ]


@contextmanager
def _outage(tenant: Running) -> Iterator[list[float]]:
    """Seconds in which the chat did not answer; the list is full at the end."""
    gaps, over, last = [0.0], Event(), time.monotonic()

    def look() -> None:
        nonlocal last
        while not over.wait(LOOK_SECONDS):
            if _answers(tenant):
                gaps.append(time.monotonic() - last - LOOK_SECONDS)
                last = time.monotonic()

    thread = Thread(target=look)
    thread.start()
    yield gaps
    time.sleep(5)
    over.set()
    thread.join()


def _answers(tenant: Running) -> bool:
    try:
        return httpx.get(f"{tenant.chat}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


def _backup(stack: RunningStack, *command: str) -> str:
    printed = StringIO()
    with redirect_stdout(printed):
        call = ["python3", "-m", "backup", *command]
        code = stack.run_as_process(stack.existing("backup"), call)
    # Whether the set is proven yet is no matter here.
    assert code == 0 or command[0] == "list", command
    return printed.getvalue()


def _sql(stack: RunningStack, text: str) -> None:
    _postgres(stack, "psql", "-qAt", "--set=ON_ERROR_STOP=1", "-d", "openwebui", "-c", text)


def _postgres(stack: RunningStack, *command: str) -> str:
    return stack.execute(stack.existing("postgres"), command)


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
