"""The Compose project: it says all that the specs do, and no secret."""

import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.deployers.compose import ComposeDeployer
from cli.deployers.toolchain import Toolchain
from cli.environment import ROOT
from cli.export.export import Exported, export
from cli.given_keys import given_keys
from components.compose.project import ComposeProject, ExportError, compose_project
from components.compose.secret_file import SecretFile
from components.labels import NAME, TENANT
from components.spec import Deployment, SecretRef, ServiceSpec
from schema.errors import UserError
from schema.private_file import write_private
from tests.unit.conftest import deployment_of, stable_secrets

DIGEST = "cloudfreedom.files"
PRIVATE = (".env", "outputs.json", "secrets.json", "settings.json")


def project_of(deployment: Deployment) -> ComposeProject:
    return compose_project("demo", deployment.spec, stable_secrets(deployment))


def service_of(deployment: Deployment, name: str) -> ServiceSpec:
    [found] = [service for service in deployment.spec.services if service.name == name]
    return found


def with_service(deployment: Deployment, changed: ServiceSpec) -> Deployment:
    services = [
        changed if service.name == changed.name else service for service in deployment.spec.services
    ]
    return replace(deployment, spec=replace(deployment.spec, services=services))


def digests(deployment: Deployment) -> dict[str, str]:
    services = project_of(deployment).file["services"]
    return {name: service["labels"][DIGEST] for name, service in services.items()}


@pytest.mark.parametrize("path", ["/run/secrets/one.two", "/run-secrets/ONE/two"])
def test_two_files_of_one_name_in_compose_are_an_error(
    demo_deployment: Deployment, path: str
) -> None:
    files = {"/run/secrets/one-two": "", path: ""}
    redis = replace(service_of(demo_deployment, "redis"), files=files)
    with pytest.raises(ExportError, match=r"^demo-redis: '.*' has the same name in Compose"):
        project_of(with_service(demo_deployment, redis))


@pytest.mark.parametrize("source", ["official", "built"])
@pytest.mark.parametrize("stack", ["demo", "app"])
def test_no_secret_is_in_the_compose_file_and_each_is_in_the_environment(
    stack: str, source: str
) -> None:
    deployment = deployment_of(stack, images=source)
    project, values = project_of(deployment), stable_secrets(deployment)
    text = yaml.safe_dump(dict(project.file), width=10_000)
    handed_over = {
        secret.render(values)
        for service in deployment.spec.services
        for secret in service.secrets.values()
    }
    assert len(values) == {"demo": 14, "app": 17}[stack]
    assert [secret for secret in {*handed_over, *values.values()} if secret in text] == []
    assert set(project.environment.values()) == handed_over


def test_a_container_finds_each_of_its_secrets_as_a_file(demo_deployment: Deployment) -> None:
    project, values = project_of(demo_deployment), stable_secrets(demo_deployment)
    for spec in demo_deployment.spec.services:
        variables = {
            file["target"]: project.file["secrets"][file["source"]]["environment"]
            for file in project.file["services"][spec.name]["secrets"]
        }
        assert {path: project.environment[name] for path, name in variables.items()} == {
            **{f"/run/secrets/env/{n}": s.render(values) for n, s in spec.secret_env.items()},
            **{f"/run/secrets/{n}": s.render(values) for n, s in spec.secret_files.items()},
        }


@pytest.mark.parametrize("changes", [
    {"env": {"PRICE": "5 $ or ${FIVE}"}},
    {"command": ["5 $ or ${FIVE}"]},
])  # fmt: skip
def test_a_dollar_is_doubled(demo_deployment: Deployment, changes: Mapping[str, Any]) -> None:
    litellm = replace(service_of(demo_deployment, "litellm"), **changes)
    project = project_of(with_service(demo_deployment, litellm))
    assert "5 $$ or $${FIVE}" in json.dumps(project.file["services"]["litellm"])


def test_a_dollar_is_doubled_in_a_file_and_not_in_a_secret(demo_deployment: Deployment) -> None:
    redis = replace(
        service_of(demo_deployment, "redis"),
        files={"/file": "$5"},
        secret_files={"secret": SecretRef("five")},
    )
    spec = with_service(demo_deployment, redis).spec
    values = stable_secrets(demo_deployment) | {"five": "$5"}
    project = compose_project("demo", spec, values)
    assert project.file["configs"]["redis-file"]["content"] == "$$5"
    assert "$5" in project.environment.values()


@pytest.mark.parametrize("source", ["official", "built"])
def test_a_service_waits_until_what_it_needs_is_healthy(source: str) -> None:
    services = project_of(deployment_of("demo", images=source)).file["services"]
    healthy = {"condition": "service_healthy"}
    assert {name: service.get("depends_on") for name, service in services.items()} == {
        "litellm": {"redis": healthy},
        "openwebui": dict.fromkeys(["postgres", "redis"], healthy),
        "postgres": None,
        "redis": None,
    }


@pytest.mark.parametrize(("secret", "services"), [
    ("postgres", {"postgres", "openwebui"}),
    ("redis", {"redis", "litellm", "openwebui"}),
    ("litellm", {"litellm", "openwebui"}),
    ("openwebui", {"litellm", "openwebui"}),
])  # fmt: skip
def test_a_rotation_marks_the_services_that_hold_the_secret(
    demo_deployment: Deployment, secret: str, services: set[str]
) -> None:
    before = digests(demo_deployment)
    after = digests(deployment_of("demo", rotation=f'{{"{secret}": 2}}'))
    assert {name for name in before if before[name] != after[name]} == services


def test_a_changed_file_marks_the_service_that_holds_it(demo_deployment: Deployment) -> None:
    litellm = service_of(demo_deployment, "litellm")
    files = {**litellm.files, "/etc/litellm/config.yaml": "model_list: []"}
    before = digests(demo_deployment)
    after = digests(with_service(demo_deployment, replace(litellm, files=files)))
    assert {name for name in before if before[name] != after[name]} == {"litellm"}


@pytest.mark.parametrize("changes", [{"shared_mb": 4096}, {"env": {"A": "1"}}])
def test_what_is_no_file_leaves_the_mark_alone(
    demo_deployment: Deployment, changes: Mapping[str, Any]
) -> None:
    changed = replace(service_of(demo_deployment, "litellm"), **changes)
    assert digests(with_service(demo_deployment, changed)) == digests(demo_deployment)


def test_all_services_may_take_as_long_as_all_of_them_together(
    demo_deployment: Deployment,
) -> None:
    waits = [each.healthcheck.start_seconds for each in demo_deployment.spec.services]
    assert project_of(demo_deployment).wait_seconds == sum(waits) > max(waits)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of its own: only its tenants and stacks, so that a test may change them."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "tenants", root / "tenants", ignore=shutil.ignore_patterns("*.py*"))
    for file in ("__main__.py", "Pulumi.yaml", "Pulumi.demo.yaml", "Pulumi.app.yaml"):
        shutil.copy(ROOT / file, root / file)
    return root


GIVEN = {"billingKey": "key-of-billing", "loginSecret": "secret-of-login"}


def exported(project: Path, folder: Path, **settings: str) -> Exported:
    return export("demo", root=project, folder=folder, settings=settings, keys=GIVEN)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_the_export_again_is_the_same_text(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(project, folder)
    before = contents(folder)
    exported(project, folder)
    assert contents(folder) == before
    assert set(before) == {"compose.yaml", *PRIVATE}


def test_the_exported_file_is_the_project(
    demo_deployment: Deployment, project: Path, tmp_path: Path
) -> None:
    exported(project, tmp_path / "out")
    file = yaml.safe_load((tmp_path / "out" / "compose.yaml").read_text(encoding="utf-8"))
    expected = compose_project(
        "cloudfreedom-demo", demo_deployment.spec, stable_secrets(demo_deployment)
    ).file
    for services in (file["services"], expected["services"]):
        for service in services.values():
            del service["labels"][DIGEST]  # its secrets are other ones
    assert file == expected


def test_a_rotation_makes_new_values_of_its_own_only(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(project, folder)
    before = json.loads((folder / "secrets.json").read_text(encoding="utf-8"))
    exported(project, folder, rotation='{"redis": 2}')
    after = json.loads((folder / "secrets.json").read_text(encoding="utf-8"))
    assert len(before) == 12
    new = {f"demo-redis-{user}" for user in ("litellm", "ledger", "openwebui")}
    assert {name for name in before if before[name] != after[name]} == new
    handed_over = (folder / ".env").read_text(encoding="utf-8")
    assert all(after[name]["hex"] in handed_over for name in new)


def test_a_refused_export_leaves_everything_as_it_was(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(project, folder)
    before = contents(folder)
    (project / "tenants" / "demo.yaml").write_text("slug: [", encoding="utf-8")
    with pytest.raises(UserError, match=r"^tenants/demo\.yaml:"):
        exported(project, folder)
    assert contents(folder) == before


@pytest.mark.parametrize("config", ["", "config:\n"])
def test_a_stack_that_says_nothing(project: Path, tmp_path: Path, config: str) -> None:
    (project / "Pulumi.demo.yaml").write_text(config, encoding="utf-8")
    assert exported(project, tmp_path / "out").wait_seconds > 0


def test_a_stack_that_says_rotation_in_its_file(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    config = "config:\n  cloudfreedom:rotation: {litellm: 3}\n"
    (project / "Pulumi.demo.yaml").write_text(config, encoding="utf-8")
    exported(project, folder)
    values = json.loads((folder / "secrets.json").read_text(encoding="utf-8"))
    assert {name for name, value in values.items() if value["keepers"]["rotation"] == "3"} == {
        "demo-litellm-master",
        "demo-litellm-openwebui",
    }


@pytest.mark.parametrize(("key", "line"), [
    ("sk-plain", '"sk-plain"'),
    ("$HOME # no comment", r'"\$HOME # no comment"'),
    ('a "b" c', r'"a \"b\" c"'),
    ("it's", '"it\'s"'),
    ("ends in \\", r'"ends in \\"'),
    ("it\\'s", '"it\\\\\'s"'),
    ("of two\nlines", '"of two\nlines"'),
])  # fmt: skip
def test_a_provider_key_is_quoted_as_compose_reads_it(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, line: str
) -> None:
    monkeypatch.setenv("CLOUDFREEDOM_PROVIDER_KEY_OPENAI", key)
    for name in ("PROVIDER_KEY_ANTHROPIC", "PROVIDER_KEY_GEMINI", "BILLING_KEY"):
        monkeypatch.setenv(f"CLOUDFREEDOM_{name}", "other")
    export("app", root=project, folder=tmp_path / "out", settings={}, keys=given_keys())
    env = (tmp_path / "out" / ".env").read_text(encoding="utf-8")
    assert f"LITELLM_RUN_SECRETS_ENV_PROVIDER_KEY_OPENAI={line}\n" in env
    assert 'LITELLM_RUN_SECRETS_ENV_BILLING_API_KEY="other"\n' in env


def test_what_only_pulumi_could_decrypt_is_asked_for(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PROVIDER_KEY_ANTHROPIC", "PROVIDER_KEY_GEMINI"):
        monkeypatch.setenv(f"CLOUDFREEDOM_{name}", "other")
    config = "config:\n  cloudfreedom:billingKey: {secure: v1:abc}\n"
    (project / "Pulumi.app.yaml").write_text(config, encoding="utf-8")
    with pytest.raises(UserError) as raised:
        export("app", root=project, folder=tmp_path / "out", settings={}, keys=given_keys())
    provider, billing = str(raised.value).splitlines()
    assert "CLOUDFREEDOM_PROVIDER_KEY_OPENAI" in provider
    assert "CLOUDFREEDOM_BILLING_KEY" in billing


def test_a_key_has_its_place_in_the_config_of_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFREEDOM_PROVIDER_KEY_OPENAI_EU", "one")
    monkeypatch.setenv("CLOUDFREEDOM_BILLING_KEY", "two")
    keys = {"providerKeys.openai-eu": "one", "billingKey": "two"}
    assert keys.items() <= given_keys().items()


def test_the_outputs_are_what_the_program_exports(project: Path, tmp_path: Path) -> None:
    exported(project, tmp_path / "out")
    outputs = json.loads((tmp_path / "out" / "outputs.json").read_text(encoding="utf-8"))
    values = json.loads((tmp_path / "out" / "secrets.json").read_text(encoding="utf-8"))
    assert outputs == {
        "openwebui_url": "http://127.0.0.1:3001",
        "openwebui_admin_email": "admin@demo.example.com",
        "openwebui_admin_password": values["demo-openwebui-admin"]["hex"],
        "litellm_url": "http://127.0.0.1:4001",
        "litellm_master_key": f"sk-{values['demo-litellm-master']['hex']}",
    }


class UpCore(ComposeDeployer):
    """A core that is up, as far as a tenant asks it."""

    def __init__(self, tenant: dict[str, Any]) -> None:
        self._tenant = tenant

    def outputs(self) -> dict[str, Any]:
        return {
            "tenants": {"demo": {"billing_key": "key", "login_secret": "secret"} | self._tenant}
        }


RATE = {"rate": "0.86", "as_of": "2026-11-20"}


@pytest.mark.parametrize(("tenant", "billed"), [
    ({}, (None, "1")),
    ({"currency": "USD", "usd_rate": None}, ("USD", "1")),
    ({"currency": "EUR", "usd_rate": RATE}, ("EUR", "0.86")),
])  # fmt: skip
def test_a_core_s_currency_and_rate_come_with_its_keys(
    project: Path, tmp_path: Path, tenant: dict[str, Any], billed: tuple[str | None, str]
) -> None:
    settings, keys = Toolchain(compose=["docker", "compose"]).joined("demo", UpCore(tenant))
    export("demo", root=project, folder=tmp_path / "out", settings=settings, keys=keys)
    assert billed_in(tmp_path / "out") == billed


def test_a_stack_s_file_says_what_the_core_s_amounts_are_in(project: Path, tmp_path: Path) -> None:
    config = "cloudfreedom:currency: EUR, cloudfreedom:usdRate: {rate: 0.86, as_of: 2026-11-20}"
    (project / "Pulumi.demo.yaml").write_text(f"config: {{{config}}}\n", encoding="utf-8")
    exported(project, tmp_path / "out")
    assert billed_in(tmp_path / "out") == ("EUR", "0.86")


@pytest.mark.parametrize(("more", "hinted"), [
    ("", False),
    ("cloudfreedom:core: organization/cloudfreedom-core/prod", True),
    ("cloudfreedom:core: organization/cloudfreedom-core/prod, cloudfreedom:currency: EUR", False),
])  # fmt: skip
def test_a_core_whose_currency_does_not_come_by_itself_is_said(
    project: Path, tmp_path: Path, more: str, hinted: bool
) -> None:
    (project / "Pulumi.demo.yaml").write_text(f"config: {{{more}}}\n", encoding="utf-8")
    hint = exported(project, tmp_path / "out").hint
    assert ("Pulumi.demo.yaml: cloudfreedom:core: an export does not ask" in hint) is hinted


def billed_in(folder: Path) -> tuple[str | None, str]:
    """Currency and rate in the `gateway.json` of an export."""
    file = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))
    [name] = (
        config["source"]
        for config in file["services"]["litellm"]["configs"]
        if config["target"].endswith("/gateway.json")
    )
    told = json.loads(file["configs"][name]["content"])["billing"]
    return told["currency"], told["usd_rate"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_whatever_holds_a_secret_is_for_its_owner_only(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name in PRIVATE:  # the weaker permissions of an older file must not last
        (folder / name).write_text("{}", encoding="utf-8")
        (folder / name).chmod(0o644)
    exported(project, folder)
    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in PRIVATE}
    assert modes == dict.fromkeys(PRIVATE, 0o600)


def test_what_a_killed_run_left_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "secrets.json.new").write_text("half", encoding="utf-8")
    write_private(tmp_path / "secrets.json", "whole")
    assert contents(tmp_path) == {"secrets.json": "whole"}


def test_a_value_lasts_until_its_generation_changes(tmp_path: Path) -> None:
    def values(generation: int) -> dict[str, str]:
        file = SecretFile(tmp_path)
        found = file.secrets(deployment_of("demo", rotation=f'{{"redis": {generation}}}'))
        file.save()
        return found

    first, again, rotated = values(1), values(1), values(2)
    assert first == again
    assert {name for name in first if first[name] != rotated[name]} == {
        f"redis-{user}" for user in ("litellm", "ledger", "openwebui")
    }


def test_an_export_of_an_earlier_version_keeps_its_secrets(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(project, folder)
    before = contents(folder)
    (folder / "secrets.json").rename(folder / "values.json")
    exported(project, folder)
    assert contents(folder) == before


def test_an_export_to_one_folder_knows_nothing_of_another(project: Path, tmp_path: Path) -> None:
    both = [exported(project, tmp_path / name) for name in ("a", "b")]
    one, two = (
        json.loads((each.folder / "secrets.json").read_text(encoding="utf-8")) for each in both
    )
    assert set(one) == set(two)
    assert not [name for name in one if one[name]["hex"] == two[name]["hex"]]


def test_every_service_has_a_limit_of_processes_and_memory_to_share(
    demo_deployment: Deployment,
) -> None:
    services = project_of(demo_deployment).file["services"]
    assert {service["pids_limit"] for service in services.values()} == {1024}
    assert services["postgres"]["shm_size"] == "128m"
    assert services["redis"]["shm_size"] == "64m"


def test_what_pulumi_marks_volumes_with_is_not_in_the_project(demo_deployment: Deployment) -> None:
    for volume in project_of(demo_deployment).file["volumes"].values():
        assert set(volume["labels"]) == {NAME, TENANT}


def test_secrets_are_for_root_where_a_container_starts_as_root(demo_deployment: Deployment) -> None:
    services = project_of(demo_deployment).file["services"]
    modes = {
        part: {secret.get("mode") for secret in service.get("secrets", ())}
        for part, service in services.items()
    }
    assert modes["openwebui"] == {0o400}
    assert modes["litellm"] == modes["redis"] == {None}
