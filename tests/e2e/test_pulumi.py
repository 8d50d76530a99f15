"""What a person at Pulumi's CLI is told, in one sentence, when something is not right."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.deployers.pulumi import PulumiDeployer
from cli.environment import docker_address
from cli.export.export import carry_back
from cli.given_keys import given_keys
from cli.running import RunningStack
from components.services.openwebui import chat_command
from tests.e2e import pulumi_cli
from tests.e2e.conftest import Running
from tests.e2e.test_secrets import leaks, secrets_of
from tests.e2e.webui import Login, Session, admin
from tests.engine import EMPTY, stand_in


@pytest.fixture
def deployer(beta_tenant: Running) -> PulumiDeployer:
    if not isinstance(beta_tenant.deployer, PulumiDeployer):
        pytest.skip("only Pulumi has stacks, previews and passphrases")
    return beta_tenant.deployer


@pytest.mark.parametrize(("config", "told"), [
    ("dockerHost=tcp://127.0.0.1:9", "no Docker engine answers at tcp://127.0.0.1:9"),
    ("rotation={\"salt\": 2}", "cloudfreedom:rotation.salt: unknown key"),
    ("imageOverrides={\"litellm\": \"ghcr.io/berriai/litellm:v1.107.2\"}", "1.107.2 is refused"),
    ("imageOverrides={\"litellm\": \"ghcr.io/berriai/litellm:lts\"}", "'lts'"),
])  # fmt: skip
def test_config_that_cannot_be_used(deployer: PulumiDeployer, config: str, told: str) -> None:
    before = (deployer.directory / f"Pulumi.{deployer.stack}.yaml").read_bytes()
    code, printed = pulumi_cli.attempt(deployer, "preview", "--config", f"cloudfreedom:{config}")
    (deployer.directory / f"Pulumi.{deployer.stack}.yaml").write_bytes(before)
    assert code != 0
    assert told in printed
    assert "Traceback" not in printed


def test_a_wrong_passphrase(deployer: PulumiDeployer) -> None:
    wrong = {"PULUMI_CONFIG_PASSPHRASE_FILE": "", "PULUMI_CONFIG_PASSPHRASE": "wrong"}
    code, printed = pulumi_cli.attempt(deployer, "preview", **wrong)
    assert code != 0
    assert "incorrect passphrase" in printed


def test_a_stack_that_is_not_there(deployer: PulumiDeployer) -> None:
    code, printed = pulumi_cli.attempt(deployer, "preview", "--stack", "nobody")
    assert code != 0
    assert "no stack named 'nobody' found" in printed


def test_a_stack_without_a_tenant(deployer: PulumiDeployer, beta_tenant: Running) -> None:
    file = beta_tenant.project.root / "tenants" / f"{deployer.stack}.yaml"
    shutil.move(file, file.with_suffix(".away"))
    try:
        code, printed = pulumi_cli.attempt(deployer, "preview")
    finally:
        shutil.move(file.with_suffix(".away"), file)
    assert code != 0
    assert f"tenants/{deployer.stack}.yaml:1: there is no such file" in printed
    assert "Traceback" not in printed


def test_a_destroy_refuses_to_delete_data(deployer: PulumiDeployer, beta_tenant: Running) -> None:
    code, printed = pulumi_cli.attempt(deployer, "destroy", "--yes")
    assert code != 0
    assert "it is protected" in printed
    assert beta_tenant.container("postgres").health == "healthy"


def test_no_secret_in_the_text_of_a_preview_or_in_the_state(
    deployer: PulumiDeployer, beta_tenant: Running
) -> None:
    values = secrets_of(beta_tenant)
    all_new = json.dumps(dict.fromkeys(("postgres", "redis", "litellm", "openwebui"), 9))
    file = deployer.directory / f"Pulumi.{deployer.stack}.yaml"
    before = file.read_bytes()
    preview = pulumi_cli.run(
        deployer, "preview", "--diff", "--refresh", "--config", f"cloudfreedom:rotation={all_new}"
    )
    file.write_bytes(before)
    assert "uploads" in preview, "what changes is shown"
    assert not leaks(values, preview)
    assert not leaks(values, pulumi_cli.run(deployer, "stack", "export"))
    assert not leaks(values, pulumi_cli.run(deployer, "stack", "output"))


def refusal(deployer: PulumiDeployer, **config: str) -> str:
    """What a preview with other config ends with; the stack's file is left as it is."""
    file = deployer.directory / f"Pulumi.{deployer.stack}.yaml"
    before = file.read_bytes()
    settings = (f"--config=cloudfreedom:{key}={value}" for key, value in config.items())
    code, printed = pulumi_cli.attempt(deployer, "preview", *settings)
    file.write_bytes(before)
    assert code != 0
    assert "Traceback" not in printed
    return printed


def test_another_docker_host_is_refused_without_the_data(deployer: PulumiDeployer) -> None:
    with stand_in(EMPTY) as address:
        printed = refusal(deployer, dockerHost=address)
    assert f"is not on {address}: another `dockerHost` moves nothing" in printed
    assert f"{deployer.stack}-postgres" in printed
    assert "pulumi config set dockerHost unix://" in printed


@pytest.mark.parametrize("command", ["preview", "up --yes", "up --yes --skip-preview"])
def test_a_lost_state_is_told_before_anything_changes(
    deployer: PulumiDeployer, beta_tenant: Running, tmp_path: Path, command: str
) -> None:
    before = beta_tenant.container_ids()
    file = deployer.directory / f"Pulumi.{deployer.stack}.yaml"
    settings = file.read_bytes()
    backend = {"PULUMI_BACKEND_URL": f"file://{tmp_path}"}
    assert not pulumi_cli.attempt(deployer, "stack", "init", deployer.stack, **backend)[0]
    code, printed = pulumi_cli.attempt(deployer, *command.split(), **backend)
    file.write_bytes(settings)
    assert code != 0
    assert f"the Docker host has data of {deployer.stack}" in printed
    assert "pulumi stack import" in printed
    assert f"docker volume rm {deployer.stack}-openwebui {deployer.stack}-postgres" in printed
    assert "Traceback" not in printed
    assert beta_tenant.container_ids() == before


def test_data_without_their_state_come_into_a_new_one(
    deployer: PulumiDeployer, beta_tenant: Running, tmp_path: Path
) -> None:
    person = Login.new()
    session = Session.new(beta_tenant, person)
    session.keep("before the state was lost")
    before, old = session.history(), deployer.outputs()
    for container_id in beta_tenant.container_ids():
        beta_tenant.engine.containers.get(container_id or "").remove(force=True)
    for network in ("data", "apps"):
        beta_tenant.engine.networks.get(f"{deployer.stack}-{network}").remove()
    pulumi_cli.run(deployer, "stack", "rm", "--force", "--preserve-config", "--yes")
    pulumi_cli.run(deployer, "stack", "init", deployer.stack)
    state = pulumi_cli.run(deployer, "stack", "export")
    root = beta_tenant.project.root
    filled = carry_back(deployer.stack, root=root, folder=None, keys=given_keys(), state=state)
    (tmp_path / "state.json").write_text(filled, encoding="utf-8")
    pulumi_cli.run(deployer, "stack", "import", "--file", str(tmp_path / "state.json"))
    deployer.up(refresh=True)

    assert Session.sign_in(beta_tenant, person).history() == before
    assert deployer.outputs()["litellm_master_key"] != old["litellm_master_key"]
    stack = RunningStack(docker_address(), deployer.stack)
    chat = stack.existing("openwebui")
    assert stack.run_as_process(chat, chat_command("chat.first_admin")) == 0
    assert Session.sign_in(beta_tenant, admin(beta_tenant)).valid


def test_a_core_that_is_not_there(deployer: PulumiDeployer) -> None:
    core = "organization/cloudfreedom-core/typo"
    printed = refusal(deployer, core=core)
    assert f"cloudfreedom:core: the core {core} is not in this backend" in printed
    assert "`pulumi config set --secret billingKey`" in printed


def test_a_core_that_is_not_up_and_one_with_another_passphrase(
    deployer: PulumiDeployer, tmp_path: Path
) -> None:
    folder = tmp_path / "core"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(
        f"name: other-core\nruntime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n"
    )
    (folder / "__main__.py").write_text(
        "import pulumi\nkey = pulumi.Output.secret('hidden')\n"
        "keys = {'billing_key': key, 'login_secret': key}\n"
        f"pulumi.export('tenants', {{'{deployer.stack}': keys}})\n"
    )
    passphrase = {"PULUMI_CONFIG_PASSPHRASE_FILE": "", "PULUMI_CONFIG_PASSPHRASE": "another"}
    core = "organization/other-core/prod"

    def run(*command: str) -> None:
        environment = os.environ | deployer.environment | passphrase
        subprocess.run(["pulumi", *command], cwd=folder, env=environment, check=True)

    run("stack", "init", "prod")
    assert f"the core {core} is not up yet" in refusal(deployer, core=core)
    run("up", "--yes", "--skip-preview", "--non-interactive")
    printed = refusal(deployer, core=core)
    assert f"the core {core} has another passphrase" in printed
    assert "hidden" not in printed


def test_a_change_of_models_is_readable(deployer: PulumiDeployer, beta_tenant: Running) -> None:
    file = beta_tenant.project.root / "tenants" / f"{deployer.stack}.yaml"
    before = file.read_text(encoding="utf-8")
    tenant = dict(beta_tenant.tenant)
    tenant["litellm"] = tenant["litellm"] | {"routing": {"retries": 7}}
    beta_tenant.project.write(tenant)
    try:
        preview = pulumi_cli.run(deployer, "preview", "--diff")
    finally:
        file.write_text(before, encoding="utf-8")
    assert "/etc/litellm/config.yaml" in preview
    assert re.search(r"~ *num_retries *: *2 => 7", preview)


def test_which_secret_changes_is_readable(deployer: PulumiDeployer) -> None:
    file = deployer.directory / f"Pulumi.{deployer.stack}.yaml"
    before = file.read_bytes()
    values = {"postgres": 1, "redis": 9, "litellm": 1, "openwebui": 1}
    setting = f"--config=cloudfreedom:rotation={json.dumps(values)}"
    preview = pulumi_cli.run(deployer, "preview", "--diff", setting)
    file.write_bytes(before)
    assert re.search(r"~ *REDIS_PASSWORD *:", preview)
    assert not re.search(r"~ *LITELLM_MASTER_KEY *:", preview)
