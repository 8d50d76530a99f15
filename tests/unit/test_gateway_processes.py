"""How the gateway's processes find Redis and each other's code, and say that they do not."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.environment import ROOT
from components.services.gateway_config import gateway_config
from gateway.health import ledger_state
from gateway.ledger import Ledger
from gateway.outbox_worker import connect
from tests.e2e.project import free_ports
from tests.unit.conftest import ACME, load_acme


def test_a_redis_that_is_not_there_is_named() -> None:
    [port] = free_ports(1)

    async def state() -> str:
        ledger = Ledger(host="127.0.0.1", port=port, password=None)
        try:
            return await ledger_state(ledger)
        finally:
            await ledger.close()

    assert asyncio.run(state()) == "Redis does not answer"


@pytest.mark.parametrize(("variables", "user", "password"), [
    ({}, None, "shared"),
    ({"LEDGER_REDIS_PASSWORD": "own"}, "ledger", "own"),
    ({"LEDGER_REDIS_PASSWORD": "own", "LEDGER_REDIS_USER": "books"}, "books", "own"),
    ({"LEDGER_REDIS_PASSWORD": "", "LEDGER_REDIS_USER": "books"}, None, "shared"),
])  # fmt: skip
def test_the_ledger_has_credentials_of_its_own(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], user: str, password: str
) -> None:
    given = {"REDIS_HOST": "redis", "REDIS_PORT": "6379", "REDIS_PASSWORD": "shared", **variables}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    options = connect().redis.connection_pool.connection_kwargs
    assert (options["username"], options["password"]) == (user, password)


def test_the_sender_runs_its_own_code_wherever_it_is_started(tmp_path: Path) -> None:
    """Beside a folder of the same name, and with the gateway where the container has it."""
    installed, elsewhere = tmp_path / "etc", tmp_path / "elsewhere"
    for package in ("asgi", "gateway", "money"):
        shutil.copytree(ROOT / package, installed / package)
    (elsewhere / "gateway").mkdir(parents=True)
    (elsewhere / "gateway" / "__init__.py").write_text("raise SystemExit('another gateway')")
    tenant = load_acme(tmp_path, f"{ACME}billing: {{}}\n")
    (installed / "gateway.json").write_text(gateway_config(tenant).model_dump_json())
    [port] = free_ports(1)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PYTHONPATH": str(installed),
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(port),
        "BILLING_API_KEY": "key",
    }
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gateway.outbox_worker"],
            cwd=elsewhere,
            env=environment,
            stderr=output,
        )
        try:
            wait_for(lambda: "again within" in log.read_text() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
        finally:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
