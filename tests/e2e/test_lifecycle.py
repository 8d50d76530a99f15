"""A tenant outlives what happens to its containers."""

import json
import os
import re
import signal

import pytest

from cli.deployers.pulumi import PulumiDeployer
from tests.e2e import pulumi_cli
from tests.e2e.api import chat, client, content
from tests.e2e.conftest import Running
from tests.e2e.doctor import found_wrong, mend
from tests.e2e.waiting import until, until_healthy
from tests.e2e.webui import Login, Session

PARTS = ("postgres", "redis", "litellm", "openwebui")
SALT = "litellm-salt"


def ids(running: Running) -> dict[str, str | None]:
    """Which container each part is now."""
    return {part: running.container(part).id for part in PARTS}


def salt(running: Running) -> str:
    """LiteLLM's salt key, from where each way keeps it: the tests' image has no use for it."""
    name = f"{running.slug}-{SALT}"
    if isinstance(running.deployer, PulumiDeployer):
        exported = json.loads(pulumi_cli.run(running.deployer, "stack", "export", "--show-secrets"))
        resources = exported["deployment"]["resources"]
        [found] = [each for each in resources if each["urn"].endswith(f"::{name}")]
        return str(json.loads(found["outputs"]["hex"]["plaintext"]))
    stack = running.project.root / "stacks" / running.slug
    values = stack / "cloudfreedom" / "secrets.json"
    return str(json.loads(values.read_text(encoding="utf-8"))[name]["hex"])


@pytest.mark.parametrize("part", [
    "postgres",
    *(pytest.param(part, marks=pytest.mark.all_only) for part in PARTS if part != "postgres"),
])  # fmt: skip
def test_a_killed_process_comes_back(beta_tenant: Running, part: str) -> None:
    session = Session.new(beta_tenant, Login.new())
    session.keep(f"before {part} was killed")
    before = session.history()
    state = beta_tenant.container(part).attrs["State"]

    os.kill(state["Pid"], signal.SIGKILL)
    until(
        lambda: beta_tenant.container(part).attrs["State"]["StartedAt"] > state["StartedAt"],
        seconds=30,
    )
    until_healthy(beta_tenant, *PARTS)

    assert session.history() == before
    assert "after the kill" in session.ask("demo-model", "after the kill")
    with client(beta_tenant) as gateway:
        assert content(chat(gateway, "demo-model"))


def test_a_second_up_changes_nothing(beta_tenant: Running) -> None:
    before = ids(beta_tenant)
    beta_tenant.deployer.up()
    assert ids(beta_tenant) == before
    if isinstance(beta_tenant.deployer, PulumiDeployer):
        pulumi_cli.run(beta_tenant.deployer, "preview", "--expect-no-changes")
        pulumi_cli.run(beta_tenant.deployer, "preview", "--refresh", "--expect-no-changes")


def test_what_is_destroyed_comes_back_with_all_data(beta_tenant: Running) -> None:
    login = Login.new()
    session = Session.new(beta_tenant, login)
    session.keep("before the tenant was destroyed")
    history, outputs, key = session.history(), beta_tenant.deployer.outputs(), salt(beta_tenant)
    before = ids(beta_tenant)

    beta_tenant.deployer.down()
    containers = beta_tenant.engine.containers.list(all=True)
    assert not [each.name for each in containers if (each.name or "").startswith(beta_tenant.slug)]
    beta_tenant.deployer.up()

    assert not set(ids(beta_tenant).values()) & set(before.values())
    assert Session.sign_in(beta_tenant, login).history() == history
    for name in ("openwebui_admin_email", "openwebui_admin_password"):
        assert beta_tenant.deployer.outputs()[name] == outputs[name]
    assert salt(beta_tenant) == key


def test_the_doctor_names_what_is_gone_and_the_command_that_brings_it_back(
    beta_tenant: Running,
) -> None:
    slug, session = beta_tenant.slug, Session.new(beta_tenant, Login.new())
    session.keep("before containers were gone")
    history = session.history()
    assert found_wrong(beta_tenant) == {}

    beta_tenant.container("redis").stop()
    beta_tenant.container("postgres").remove(force=True)
    network = beta_tenant.engine.networks.get(f"{slug}-apps")
    network.disconnect(beta_tenant.container("openwebui"))
    found = found_wrong(beta_tenant)

    starts = re.fullmatch(r"is exited \(exit \d+\): `(.*)` starts it", found[f"{slug}-redis"])
    assert starts
    assert found[f"{slug}-postgres"] == f"is not there: `{starts[1]}` makes it again"
    apart = re.fullmatch(rf"{slug}-openwebui is not on it: `(.*)`", found[f"{slug}-apps"])
    assert apart
    [outside] = [
        problem for what, problem in found.items() if what.startswith(f"{slug}-openwebui at")
    ]
    assert outside.startswith("does not answer: ")

    mend(beta_tenant, apart[1])
    assert found_wrong(beta_tenant) == {}
    assert session.history() == history


@pytest.mark.parametrize("refresh", [True, pytest.param(False, marks=pytest.mark.all_only)])
def test_the_apps_follow_a_volume_that_was_made_anew(beta_tenant: Running, refresh: bool) -> None:
    if not isinstance(beta_tenant.deployer, PulumiDeployer):
        pytest.skip("Compose keeps no state to compare with")
    before, name = ids(beta_tenant), f"{beta_tenant.slug}-postgres"
    beta_tenant.container("postgres").remove(force=True)
    beta_tenant.engine.volumes.get(name).remove()
    options = ["--refresh"] if refresh else []
    told = pulumi_cli.run(beta_tenant.deployer, "up", "--yes", "--skip-preview", *options)
    assert f"the volume {name} is gone from the Docker host" in told
    after = ids(beta_tenant)
    assert after["redis"] == before["redis"]
    assert after["openwebui"] != before["openwebui"]
    until_healthy(beta_tenant, *PARTS)
    session = Session.new(beta_tenant, Login.new())
    assert "on new tables" in session.ask("demo-model", "on new tables")
    pulumi_cli.run(beta_tenant.deployer, "preview", "--refresh", "--expect-no-changes")
