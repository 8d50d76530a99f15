"""What a person at Pulumi's CLI is told, in one sentence, when something is not right."""

import json
import shutil

import pytest

from ops.way import PulumiWay
from tests.e2e import pulumi_cli
from tests.e2e.conftest import Running
from tests.e2e.test_secrets import leaks, secrets_of


@pytest.fixture
def way(beta_tenant: Running) -> PulumiWay:
    if not isinstance(beta_tenant.way, PulumiWay):
        pytest.skip("only Pulumi has stacks, previews and passphrases")
    return beta_tenant.way


@pytest.mark.parametrize(("config", "told"), [
    ("dockerHost=tcp://127.0.0.1:9", "no Docker engine answers at tcp://127.0.0.1:9"),
    ("rotation={\"salt\": 2}", "cloudfreedom:rotation.salt: unknown key"),
    ("imageOverrides={\"litellm\": \"ghcr.io/berriai/litellm:v1.107.2\"}", "1.107.2 is refused"),
    ("imageOverrides={\"litellm\": \"ghcr.io/berriai/litellm:lts\"}", "'lts'"),
])  # fmt: skip
def test_config_that_cannot_be_used(way: PulumiWay, config: str, told: str) -> None:
    before = (way.directory / f"Pulumi.{way.stack}.yaml").read_bytes()
    code, printed = pulumi_cli.attempt(way, "preview", "--config", f"cloudfreedom:{config}")
    (way.directory / f"Pulumi.{way.stack}.yaml").write_bytes(before)
    assert code != 0
    assert told in printed
    assert "Traceback" not in printed


def test_a_wrong_passphrase(way: PulumiWay) -> None:
    wrong = {"PULUMI_CONFIG_PASSPHRASE_FILE": "", "PULUMI_CONFIG_PASSPHRASE": "wrong"}
    code, printed = pulumi_cli.attempt(way, "preview", **wrong)
    assert code != 0
    assert "incorrect passphrase" in printed


def test_a_stack_that_is_not_there(way: PulumiWay) -> None:
    code, printed = pulumi_cli.attempt(way, "preview", "--stack", "nobody")
    assert code != 0
    assert "no stack named 'nobody' found" in printed


def test_a_stack_without_a_tenant(way: PulumiWay, beta_tenant: Running) -> None:
    file = beta_tenant.project.root / "tenants" / f"{way.stack}.yaml"
    shutil.move(file, file.with_suffix(".away"))
    try:
        code, printed = pulumi_cli.attempt(way, "preview")
    finally:
        shutil.move(file.with_suffix(".away"), file)
    assert code != 0
    assert f"tenants/{way.stack}.yaml:1: there is no such file" in printed
    assert "Traceback" not in printed


def test_a_destroy_refuses_to_delete_data(way: PulumiWay, beta_tenant: Running) -> None:
    code, printed = pulumi_cli.attempt(way, "destroy", "--yes")
    assert code != 0
    assert "it is protected" in printed
    assert beta_tenant.container("postgres").health == "healthy"


def test_no_secret_in_the_text_of_a_preview_or_in_the_state(
    way: PulumiWay, beta_tenant: Running
) -> None:
    values = secrets_of(beta_tenant)
    all_new = json.dumps(dict.fromkeys(("postgres", "redis", "litellm", "openwebui"), 9))
    file = way.directory / f"Pulumi.{way.stack}.yaml"
    before = file.read_bytes()
    preview = pulumi_cli.run(
        way, "preview", "--diff", "--refresh", "--config", f"cloudfreedom:rotation={all_new}"
    )
    file.write_bytes(before)
    assert "uploads" in preview, "what changes is shown"
    assert not leaks(values, preview)
    assert not leaks(values, pulumi_cli.run(way, "stack", "export"))
    assert not leaks(values, pulumi_cli.run(way, "stack", "output"))
