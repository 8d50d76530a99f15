"""Backups of a core, seen to come back."""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker import DockerClient

from cli.deployers.deployer import Deployer
from cli.environment import docker_address
from cli.offboard.steps import Offboarding
from cli.restore.restore import Restore
from cli.restore.verification import verify
from cli.running import RunningStack
from components.labels import TENANT
from gateway.billing import Billing
from gateway.outbox_worker import deliver_next
from money.nanos import to_wire
from tests.e2e import toolchains
from tests.e2e.host_folder import host_folder
from tests.e2e.project import Project, free_ports
from tests.e2e.tenants import core_of
from tests.e2e.test_ledger import Valkey, event, server, valkey
from tests.e2e.waiting import until
from tests.gateway_settings import gateway_settings

__all__ = ["server", "valkey"]  # fixtures

ADA, COST = "ada@example.com", 1_000_000
TENANT_OF_CORE = "acme"


class Operator:
    """Whoever has the core's operator key."""

    def __init__(self, url: str, deployer: Deployer) -> None:
        self.url, outputs = url, deployer.outputs()
        self._users = f"{url}/api/tenants/{TENANT_OF_CORE}/users"
        self._budgets = f"{url}/api/tenants/{TENANT_OF_CORE}/budgets"
        self._headers = {"X-API-Key": str(outputs["operator_key"])}
        self.tenants = outputs["tenants"]

    def add(self, email: str) -> None:
        body = {"name": email.partition("@")[0], "verified": True, "password": secrets.token_hex(8)}
        httpx.put(f"{self._users}/{email}", json=body, headers=self._headers).raise_for_status()

    def used(self, user: str) -> Decimal:
        """Sum of all that the core has logged of somebody."""
        budgets = httpx.get(self._budgets, headers=self._headers).raise_for_status().json()
        return sum((Decimal(each["used"]) for each in budgets if each["user"] == user), Decimal(0))

    def people(self) -> dict[str, Any]:
        found = httpx.get(self._users, headers=self._headers).raise_for_status().json()
        return {person["email"]: person for person in found}


@pytest.fixture(scope="module")
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

    back_up(stack)
    operator.add("dora@example.com")

    Restore(stack, print).run("latest")
    assert operator.people() == before
    back_up(stack, "prove")

    Restore(stack, print).give_back()
    assert "dora@example.com" in operator.people()


@pytest.mark.all_only  # as of a tenant, with another service
@pytest.mark.usefixtures("on_one_way")
def test_a_set_is_verified_in_a_copy(core: tuple[RunningStack, Operator]) -> None:
    stack, operator = core
    before = operator.people()
    back_up(stack)
    proven = verify(stack, "latest", print)
    assert proven
    assert operator.people() == before


@pytest.mark.usefixtures("on_one_way")
def test_a_restored_core_loses_no_money(
    core: tuple[RunningStack, Operator], valkey: Valkey
) -> None:
    """A tenant's gateway went on after the set, and sends again what the core does not have."""
    stack, operator = core
    tenants = operator.tenants
    told = json.loads(tenants) if isinstance(tenants, str) else tenants
    key = told[TENANT_OF_CORE]["billing_key"]
    of = gateway_settings(operator.url, tenant=TENANT_OF_CORE, contract=2)

    async def deliver_everything() -> None:
        ledger = valkey.new_ledger()
        async with Billing(of, key) as billing:
            while await deliver_next(ledger, billing, 100):
                pass
        await ledger.close()

    async def safe() -> bool:
        async with Billing(of, key) as billing:
            state = await billing.log_state([])
        return state is not None and state.safe_seconds is not None

    def spend(*request_ids: str) -> None:
        now = int(time.time() * 1000)  # the budget is of this month
        events = [replace(event(each, ADA, COST), ended_at=now) for each in request_ids]
        valkey.run(valkey.ledger.settle(events))
        valkey.run(deliver_everything())

    spend("before the set")
    back_up(stack)
    spend("after the set", "later")
    before = operator.used(ADA)
    assert before == Decimal(to_wire(3 * COST))

    Restore(stack, print).run("latest")
    assert operator.used(ADA) < before
    spend("after the restore")
    assert operator.used(ADA) == Decimal(to_wire(4 * COST))
    assert valkey.outbox() == []

    back_up(stack)
    back_up(stack)
    until(lambda: valkey.run(safe()), seconds=40)


def back_up(stack: RunningStack, command: str = "make") -> None:
    call = ["python3", "-m", "backup", command]
    assert stack.run_as_process(stack.existing("backup"), call) == 0


@pytest.mark.usefixtures("on_one_way")
def test_the_end_of_a_customer_erases_them_here(
    core: tuple[RunningStack, Operator], tmp_path: Path
) -> None:
    """The last, since nothing is left."""
    stack, operator = core
    assert operator.people()
    end = Offboarding(
        name=TENANT_OF_CORE,
        stack=RunningStack(docker_address(), TENANT_OF_CORE),
        root=tmp_path,
        export=None,
        core=stack,
        backups=True,
        state=False,
    )
    [erase] = [step for step in end.steps() if step.title.startswith("Erase")]
    erase.act()
    erase.act()  # whoever was interrupted does it again
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        operator.people()
