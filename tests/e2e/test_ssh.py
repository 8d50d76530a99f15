"""A tenant on a Docker host that is reached over ssh."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from docker import DockerClient

from cli.deployers.pulumi import PulumiDeployer
from cli.given_keys import given_keys
from tests.e2e import pulumi_cli, toolchains
from tests.e2e.conftest import Running, remove
from tests.e2e.doctor import found_wrong
from tests.e2e.project import Project, free_ports
from tests.e2e.sshd import SSHHost, ssh_host
from tests.e2e.tenants import beta

PARTS = ("postgres", "redis", "litellm", "openwebui")
SECONDS_TO_REFUSE = 30
MOST_LOGINS = 20


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHHost]:
    with ssh_host(tmp_path_factory.mktemp("ssh")) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.new(tmp_path / "project")


def tenant(project: Project, engine: DockerClient, address: str) -> Running:
    tool = toolchains.available().get("pulumi")
    if tool is None:
        pytest.skip("only Pulumi reaches another host")
    chat, api = free_ports(2)
    file = beta(f"s{secrets.token_hex(3)}", chat=chat, api=api)
    project.write(file)
    deployer = tool.deployer(
        file["slug"],
        root=project.root,
        folder=project.root / "stacks" / file["slug"],
        settings={**toolchains.SETTINGS, "dockerHost": address},
        keys=given_keys(),
    )
    return Running(project, deployer, file, engine)


def check_is_up(running: Running) -> None:
    for part in PARTS:
        assert running.container(part).health == "healthy", part


@pytest.mark.parametrize("number", [
    1, *(pytest.param(number, marks=pytest.mark.all_only) for number in range(2, 21)),
])  # fmt: skip
def test_a_cold_up(project: Project, engine: DockerClient, host: SSHHost, number: int) -> None:
    running = tenant(project, engine, host.address)
    before = host.logins
    try:
        running.deployer.up()
        check_is_up(running)
        assert host.logins - before <= MOST_LOGINS, number
        if number == 1:
            assert isinstance(running.deployer, PulumiDeployer)
            pulumi_cli.run(running.deployer, "preview", "--refresh", "--expect-no-changes")
            assert found_wrong(running, host.address) == {}
    finally:
        remove(running)


@pytest.mark.all_only
def test_three_tenants_at_once(project: Project, engine: DockerClient, host: SSHHost) -> None:
    three = [tenant(project, engine, host.address) for _ in range(3)]
    with ExitStack() as taken_down, ThreadPoolExecutor(len(three)) as pool:
        for running in three:
            taken_down.callback(remove, running)
        list(pool.map(lambda running: running.deployer.up(), three))
        for running in three:
            check_is_up(running)


def refused(running: Running, command: str) -> str:
    running.deployer.prepare()
    assert isinstance(running.deployer, PulumiDeployer)
    process = pulumi_cli.start(running.deployer, *command.split())
    printed, _ = process.communicate(timeout=SECONDS_TO_REFUSE)
    assert process.returncode
    assert "Traceback" not in printed
    return printed


@pytest.mark.parametrize("command", ["preview", "up --yes", "up --yes --skip-preview"])
def test_an_unknown_host_key_is_told_and_asked_of_nobody(
    project: Project, engine: DockerClient, host: SSHHost, command: str
) -> None:
    running = tenant(project, engine, host.address)
    host.forget()
    try:
        printed = refused(running, command)
    finally:
        host.know()
    assert f"no Docker engine answers at {host.address} (Host key verification failed.)" in printed
    assert f"run `ssh -p {host.port}" in printed


def test_a_wrong_port_is_told(project: Project, engine: DockerClient, host: SSHHost) -> None:
    [port] = free_ports(1)
    address = host.address.replace(str(host.port), str(port))
    printed = refused(tenant(project, engine, address), "preview")
    assert f"no Docker engine answers at {address}" in printed
    assert "compare host and port of `dockerHost`" in printed
