"""What goes wrong ends in a sentence, leaves what runs running, and heals in the next `up`."""

import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from docker import DockerClient

from cli.deployers.deployer import DeployError
from cli.deployers.pulumi import PulumiDeployer
from images.catalog import load_catalog
from schema.errors import UserError
from tests.e2e.conftest import Running
from tests.e2e.project import free_ports
from tests.e2e.waiting import until_healthy

BROKEN = "cloudfreedom/broken-redis:8.1.{}"
SECONDS_TO_TELL = 60
LAST_WORDS = "I shall never be ready"


def ids(running: Running) -> dict[str, str | None]:
    """Which container each part is now."""
    return {part: running.container(part).id for part in ("postgres", "redis", "openwebui")}


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_a_taken_port_is_named_and_the_next_up_heals(
    beta_tenant: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    before = ids(beta_tenant)
    port = free_ports(1)[0]
    elsewhere = {"litellm": beta_tenant.tenant["litellm"] | {"port": port}}
    with taken(port), pytest.raises(DeployError) as failure:
        beta_tenant.change(elsewhere)
    told = "".join(capfd.readouterr()) + str(failure.value)
    assert f"127.0.0.1:{port}" in told
    assert "Traceback" not in told
    assert ids(beta_tenant) == before, "what was running goes on"
    beta_tenant.deployer.up()
    assert beta_tenant.container("litellm").health == "healthy"
    beta_tenant.change()


def test_a_missing_image_is_named_and_nothing_stops(
    beta_tenant: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    before = ids(beta_tenant)
    with pytest.raises(DeployError) as failure:
        beta_tenant.change(imageOverrides={"redis": "cloudfreedom/nowhere:8.1.0"})
    told = "".join(capfd.readouterr()) + str(failure.value)
    assert "cloudfreedom/nowhere:8.1.0" in told
    assert "Traceback" not in told
    assert ids(beta_tenant) == before
    beta_tenant.change()


@pytest.fixture(scope="session")
def broken(engine: DockerClient) -> Iterator[Callable[[str], str]]:
    """Makes an image whose Redis does something else."""
    base = load_catalog("built").running["redis"].reference
    names: list[str] = []

    def build(command: str) -> str:
        name = BROKEN.format(len(names) + 1)
        script = f"#!/bin/sh\\n{command}\\n"
        recipe = f"FROM {base}\nUSER 0\nRUN printf '{script}' > $(command -v valkey-server)\n"
        engine.images.build(fileobj=io.BytesIO(recipe.encode()), tag=name, rm=True, forcerm=True)
        names.append(name)
        return name

    yield build
    for name in names:
        engine.images.remove(name, force=True)


@pytest.mark.all_only  # Compose waits for two minutes
def test_a_service_that_never_gets_ready_is_shown_with_its_last_lines(
    beta_tenant: Running, broken: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    image = broken(f'echo "{LAST_WORDS}"\\nexec sleep 1000')
    with pytest.raises(DeployError) as failure:
        beta_tenant.change(imageOverrides={"redis": image})
    told = "".join(capfd.readouterr()) + str(failure.value)
    assert f"{beta_tenant.slug}-redis did not become ready" in told
    assert LAST_WORDS in told
    assert "Traceback" not in told
    beta_tenant.change()
    until_healthy(beta_tenant, "postgres", "redis", "litellm", "openwebui")


@pytest.mark.parametrize(("command", "reason"), [
    (f'echo "{LAST_WORDS}"\\nexit 3', "it was restarted 5 times, exit 3"),
    (f'echo "{LAST_WORDS}"\\nexec tail /dev/zero',
     "it was killed for memory (limit 64 MiB), restarted 5 times, exit 137."
     " Raise `redis.memory_mb`"),
])  # fmt: skip
def test_a_crash_loop_is_told_after_five_restarts(
    beta_tenant: Running,
    broken: Callable[[str], str],
    command: str,
    reason: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if not isinstance(beta_tenant.deployer, PulumiDeployer):
        pytest.skip("Compose waits by itself")
    image, started = broken(command), time.monotonic()
    with pytest.raises(DeployError):
        beta_tenant.change({"redis": {"memory_mb": 64}}, imageOverrides={"redis": image})
    told = "".join(capfd.readouterr())
    assert f"{beta_tenant.slug}-redis did not become ready: {reason}" in told
    assert LAST_WORDS in told
    assert time.monotonic() - started < SECONDS_TO_TELL
    beta_tenant.change()
    until_healthy(beta_tenant, "postgres", "redis", "litellm", "openwebui")


def test_every_container_has_a_limit_of_processes(beta_tenant: Running) -> None:
    for part in ("postgres", "redis", "litellm", "openwebui"):
        assert beta_tenant.container(part).attrs["HostConfig"]["PidsLimit"] == 1024, part


def test_a_half_written_file_changes_nothing(
    beta_tenant: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    before = ids(beta_tenant)
    file = beta_tenant.project.root / "tenants" / f"{beta_tenant.slug}.yaml"
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.partition("port")[0] + "po", encoding="utf-8")
    try:
        with pytest.raises(UserError) as failure:
            beta_tenant.deployer.up()
    finally:
        file.write_text(whole, encoding="utf-8")
    told = "".join(capfd.readouterr()) + str(failure.value)
    assert f"tenants/{beta_tenant.slug}.yaml:" in told
    assert "Traceback" not in told
    assert ids(beta_tenant) == before
