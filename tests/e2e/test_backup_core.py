"""Backups of a core, seen to come back."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from docker import DockerClient

from cli.deployers.deployer import Deployer
from cli.environment import docker_address
from cli.restore.restore import Restore
from cli.running import RunningStack
from components.labels import TENANT
from tests.e2e import toolchains
from tests.e2e.host_folder import host_folder
from tests.e2e.project import Project, free_ports
from tests.e2e.tenants import core_of

TENANT_OF_CORE = "acme"


class Operator:
    """Whoever has the core's operator key."""

    def __init__(self, url: str, deployer: Deployer) -> None:
        self._users = f"{url}/api/tenants/{TENANT_OF_CORE}/users"
        self._headers = {"X-API-Key": str(deployer.outputs()["operator_key"])}

    def add(self, email: str) -> None:
        body = {"name": email.partition("@")[0], "verified": True, "password": secrets.token_hex(8)}
        httpx.put(f"{self._users}/{email}", json=body, headers=self._headers).raise_for_status()

    def people(self) -> dict[str, Any]:
        found = httpx.get(self._users, headers=self._headers).raise_for_status().json()
        return {person["email"]: person for person in found}


@pytest.fixture
def core(
    engine: DockerClient, bridge: str, toolchain_name: str, project: Project
) -> Iterator[tuple[RunningStack, Operator]]:
    """A core that is backed up, and its operator."""
    slug = f"core-{secrets.token_hex(3)}"
    billing, identity = free_ports(2, address=bridge)
    url = f"http://{bridge}:1"
    project.write_core(
        slug,
        core_of(slug, tenant=TENANT_OF_CORE, chat_url=url, billing=billing, identity=identity),
    )
    with host_folder(engine) as repository:
        deployer = toolchains.available()[toolchain_name].deployer(
            slug,
            root=project.root / "core",
            folder=project.root / "stacks" / slug,
            settings={
                **toolchains.SETTINGS,
                "hostGateway": bridge,
                "backup": f'{{"repository": "{repository}"}}',
            },
            keys={},
        )
        try:
            deployer.up()
            stack = RunningStack(docker_address(), slug)
            yield stack, Operator(f"http://{bridge}:{billing}", deployer)
        finally:
            deployer.down()
            for volume in engine.volumes.list(filters={"label": f"{TENANT}={slug}"}):
                volume.remove()


@pytest.mark.usefixtures("on_one_way")
def test_people_and_budgets_come_back(core: tuple[RunningStack, Operator]) -> None:
    stack, operator = core
    operator.add("carl@example.com")
    before = operator.people()
    assert "carl@example.com" in before

    make = ["python3", "-m", "backup", "make"]
    assert stack.run_as_process(stack.existing("backup"), make) == 0
    operator.add("dora@example.com")

    Restore(stack, print).run("latest")
    assert operator.people() == before
    prove = ["python3", "-m", "backup", "prove"]
    assert stack.run_as_process(stack.existing("backup"), prove) == 0

    Restore(stack, print).give_back()
    assert "dora@example.com" in operator.people()
