"""`cloudfreedom status`: a stack that stands as its files say, and each difference made by hand."""

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from cli.environment import docker_address
from cli.export.export import plain_config
from cli.logs.reading import follow, read
from cli.running import RunningStack
from cli.status.gather import look
from cli.status.model import StackStatus
from cli.status.table import details, overview
from cli.top.usage import usage
from components.tenant import describe_tenant
from tests.e2e import toolchains
from tests.e2e.conftest import Running
from tests.e2e.money import Money
from tests.e2e.sshd import ssh_host
from tests.e2e.waiting import until_healthy

CONFIG = Path("/etc/cloudfreedom/redis/valkey.conf")
SERVICES = ("postgres", "redis", "litellm", "openwebui")


def status_of(tenant: Running, address: str = docker_address()) -> StackStatus:
    root = tenant.project.root
    config = plain_config(tenant.slug, root=root, settings=toolchains.SETTINGS)
    spec = describe_tenant(tenant.slug, root, config, lambda *_: None).spec
    stack = RunningStack(address, tenant.slug)
    return look(tenant.slug, stack, spec, core=False)


def test_all_is_as_the_files_say(money: Money) -> None:
    until_healthy(money.running, *SERVICES)
    found = status_of(money.running)
    # Other tests have the Billing API refuse events, which stay.
    assert [each for each in found.problems if "refused" not in each] == []
    assert {each.service for each in found.services} == {*SERVICES}
    assert found.guard
    assert found.guard.billing == "answers"
    assert found.disk
    assert found.disk.free_mb > 0
    assert found.databases_mb["openwebui"] > 0
    assert details(found)
    assert overview([found])


@pytest.mark.usefixtures("on_one_way")
def test_the_use_of_the_host_is_measured(money: Money) -> None:
    until_healthy(money.running, *SERVICES)
    found = {
        each.service: each for each in usage(RunningStack(docker_address(), money.running.slug))
    }
    assert found.keys() == {*SERVICES}
    for each in found.values():
        assert 0 < each.memory_mb < each.memory_limit_mb
        assert each.cpu_percent >= 0
    assert found["redis"].connections > 0
    assert found["litellm"].requests_per_second == 0
    assert found["openwebui"].requests_per_second is None


@contextmanager
def memory(container: Container) -> Iterator[None]:
    container.update(mem_limit="300m", memswap_limit="300m")
    yield
    container.update(mem_limit="256m", memswap_limit="256m")


@contextmanager
def restart(container: Container) -> Iterator[None]:
    policies: list[Any] = [{"Name": "no"}, {"Name": "always"}]
    container.update(restart_policy=policies[0])
    yield
    container.update(restart_policy=policies[1])


@contextmanager
def pause(container: Container) -> Iterator[None]:
    container.pause()
    yield
    container.unpause()


@contextmanager
def network(container: Container) -> Iterator[None]:
    assert container.client
    other = container.client.networks.create(f"{container.name}-other")
    other.connect(container)
    yield
    other.disconnect(container)
    other.remove()


@contextmanager
def file(container: Container) -> Iterator[None]:
    """Whoever has Docker writes into a container, as `docker cp` does."""
    there = b"".join(container.get_archive(str(CONFIG))[0])
    container.put_archive(str(CONFIG.parent), archive(CONFIG.name, b"save 1 1"))
    yield
    container.put_archive(str(CONFIG.parent), there)


def archive(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o444
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.mark.usefixtures("on_one_way")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (memory, "redis: memory:"),
        pytest.param(restart, "redis: restart:", marks=pytest.mark.all_only),
        pytest.param(pause, "redis is paused", marks=pytest.mark.all_only),
        pytest.param(network, "redis: networks:", marks=pytest.mark.all_only),
        (file, f"redis: file {CONFIG}:"),
    ],
)
def test_a_change_by_hand_is_found(
    beta_tenant: Running,
    change: Callable[[Container], AbstractContextManager[None]],
    said: str,
) -> None:
    until_healthy(beta_tenant, *SERVICES)
    with change(beta_tenant.container("redis")):
        assert said in "; ".join(status_of(beta_tenant).problems)
    until_healthy(beta_tenant, *SERVICES)
    assert status_of(beta_tenant).problems == []


@pytest.mark.usefixtures("on_one_way")
def test_another_host_is_looked_at_over_ssh(
    beta_tenant: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    until_healthy(beta_tenant, *SERVICES)
    with ssh_host(tmp_path_factory.mktemp("ssh")) as host:
        stack = RunningStack(host.address, beta_tenant.slug)
        assert {each.service for each in usage(stack)} == {*SERVICES}
        assert {line.service for line in read(stack, SERVICES, tail=5)} == {*SERVICES}
        assert next(follow(stack, SERVICES, tail=1)).text
        status = status_of(beta_tenant, host.address)
        assert status.problems == []
        assert status.databases_mb
        assert status.disk
