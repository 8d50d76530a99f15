"""The Compose project: it says all that the program declares, and no secret."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.labels import MARK, PART, TENANT
from components.recovery import PROCESSES
from ops.compose import CONTAINER, NETWORK, VOLUME, ExportError, compose_project
from ops.export import Exported, export
from ops.keys import given_keys
from ops.record import Declared, Recording, Secret
from ops.tools import ROOT
from ops.values import ValueFile
from ops.way import ComposeWay, Tool
from ops.yaml_io import write_private
from tests.unit.conftest import KEYS, StableValues, run_program

MARK_AT = ("labels", 2, "value")
RANDOM = "random:index/randomBytes:RandomBytes"
DIGEST = "cloudfreedom.files"

# Compose stops a container by `stopTimeout` alone, waits for it because its command line says
# so, and hands files over with permissions of its own.
ELSEWHERE = {"destroyGraceSeconds", "wait", "permissions"}
PRIVATE = (".env", "outputs.json", "values.json")

Keys = tuple[str | int, ...]


def with_resource(recording: Recording, changed: Declared) -> Recording:
    resources = [changed if r.urn == changed.urn else r for r in recording.resources]
    return replace(recording, resources=resources)


def with_input(resource: Declared, keys: Keys, value: object) -> Declared:
    place: Any = deepcopy(dict(resource.inputs))
    changed = replace(resource, inputs=place)
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return changed


def leaves(tree: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    if isinstance(tree, dict | list):
        for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(item, (*keys, key))
    else:
        yield keys, tree


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return type(value)(value + 1 if isinstance(value, int) else f"{value}7")


def container(recording: Recording, part: str) -> Declared:
    [found] = [c for c in recording.of_type(CONTAINER) if c.name.endswith(f"-{part}")]
    return found


def digests(recording: Recording) -> dict[str, str]:
    services = compose_project("demo", recording).file["services"]
    return {part: service["labels"][DIGEST] for part, service in services.items()}


@pytest.mark.parametrize(("token", "argument"), [
    (CONTAINER, "privileged"), (NETWORK, "attachable"), (VOLUME, "driver"),
])  # fmt: skip
def test_an_argument_that_it_does_not_know_is_an_error(
    demo: Recording, token: str, argument: str
) -> None:
    resource = demo.of_type(token)[0]
    declared = with_resource(demo, with_input(resource, (argument,), True))
    with pytest.raises(ExportError, match=f"^{resource.name}: no counterpart .* '{argument}'$"):
        compose_project("demo", declared)


@pytest.mark.parametrize("keys", [
    ("labels", 0, "x"), ("uploads", 0, "executable"), ("capabilities", "x"),
    ("healthcheck", "x"), ("networksAdvanced", 0, "ipv4Address"), ("hosts", 0, "x"),
    ("ports", 0, "protocol"), ("mounts", 0, "readOnly"),
])  # fmt: skip
def test_what_it_does_not_know_of_an_argument_is_an_error(demo: Recording, keys: Keys) -> None:
    resource = next(c for c in demo.of_type(CONTAINER) if c.inputs[str(keys[0])])
    declared = with_resource(demo, with_input(resource, keys, "x"))
    with pytest.raises(ExportError, match=f"^{resource.name}: no counterpart .* '{keys[-1]}'$"):
        compose_project("demo", declared)


@pytest.mark.parametrize("path", ["/run/secrets/one.two", "/run-secrets/ONE/two"])
def test_two_files_of_one_name_in_compose_are_an_error(demo: Recording, path: str) -> None:
    redis = with_input(container(demo, "redis"), ("uploads", 0, "file"), "/run/secrets/one-two")
    declared = with_resource(demo, with_input(redis, ("uploads", 1, "file"), path))
    with pytest.raises(ExportError, match=f"^demo-redis: '{path}' has the same name"):
        compose_project("demo", declared)


def test_a_resource_that_it_does_not_know_is_an_error(demo: Recording) -> None:
    token = "docker:index/secret:Secret"
    declared = with_resource(demo, replace(demo.of_type(VOLUME)[0], type=token))
    with pytest.raises(
        ExportError, match=f"^demo-openwebui: no counterpart in Compose for {token}"
    ):
        compose_project("demo", declared)


@pytest.mark.parametrize(("token", "name"), [
    (CONTAINER, "demo-litellm"), (CONTAINER, "demo-openwebui"),
    (CONTAINER, "demo-postgres"), (CONTAINER, "demo-redis"),
    (NETWORK, "demo-data"), (VOLUME, "demo-postgres"),
])  # fmt: skip
def test_whatever_the_program_declares_otherwise_is_otherwise_in_the_project(
    demo: Recording, token: str, name: str
) -> None:
    """Every single value, however deep: what makes no difference would have been dropped."""
    [resource] = [r for r in demo.of_type(token) if r.name == name]
    project = compose_project("demo", demo)
    varied = [
        (path, with_resource(demo, with_input(resource, path, another(value))))
        for path, value in leaves(resource.inputs)
        if path[-1] not in ELSEWHERE and value not in (PART, MARK) and path != MARK_AT
    ]
    assert varied
    assert [path for path, other in varied if compose_project("demo", other) == project] == []


@pytest.mark.parametrize("source", ["official", "built"])
@pytest.mark.parametrize("stack", ["demo", "app"])
def test_no_secret_is_in_the_compose_file_and_each_is_in_the_environment(
    stack: str, source: str
) -> None:
    recording = run_program(stack, images=source, **KEYS)
    project = compose_project(stack, recording)
    text = yaml.safe_dump(dict(project.file), width=10_000)
    uploaded = {
        str(upload["content"])
        for resource in recording.of_type(CONTAINER)
        for upload in resource.inputs["uploads"]
        if isinstance(upload["content"], Secret)
    }
    generated = [
        StableValues().random_hex(resource.name, length=32, keepers=resource.inputs["keepers"])
        for resource in recording.of_type(RANDOM)
    ]
    assert len(generated) == {"demo": 12, "app": 13}[stack]
    given = [*json.loads(KEYS["providerKeys"]).values(), KEYS["billingKey"]]
    secrets = {*uploaded, *generated, *given}
    assert [secret for secret in secrets if secret in text] == []
    assert set(project.environment.values()) == uploaded


def test_a_container_finds_each_of_its_secrets_as_a_file(demo: Recording) -> None:
    project = compose_project("demo", demo)
    for resource in demo.of_type(CONTAINER):
        service = project.file["services"][resource.name.removeprefix("demo-")]
        variables = {
            file["target"]: project.file["secrets"][file["source"]]["environment"]
            for file in service["secrets"]
        }
        assert {path: project.environment[name] for path, name in variables.items()} == {
            upload["file"]: upload["content"]
            for upload in resource.inputs["uploads"]
            if isinstance(upload["content"], Secret)
        }


@pytest.mark.parametrize("keys", [("envs", 0), ("command", 0), ("healthcheck", "tests", 1)])
def test_a_dollar_is_doubled(demo: Recording, keys: Keys) -> None:
    declared = with_input(container(demo, "litellm"), keys, "PRICE=5 $ or ${FIVE}")
    service = compose_project("demo", with_resource(demo, declared)).file["services"]["litellm"]
    assert "5 $$ or $${FIVE}" in json.dumps(service)


def test_a_dollar_is_doubled_in_a_file_and_not_in_a_secret(demo: Recording) -> None:
    redis = container(demo, "redis")
    for index, upload in enumerate(redis.inputs["uploads"]):
        text = type(upload["content"])("$5")
        redis = with_input(redis, ("uploads", index, "content"), text)
    project = compose_project("demo", with_resource(demo, redis))
    of_redis = [key for key in project.file["configs"] if key.startswith("redis-")]
    assert {project.file["configs"][key]["content"] for key in of_redis} == {"$$5"}
    assert "$5" in project.environment.values()


@pytest.mark.parametrize("source", ["official", "built"])
def test_a_service_waits_until_what_it_needs_is_healthy(source: str) -> None:
    services = compose_project("demo", run_program("demo", images=source)).file["services"]
    healthy = {"condition": "service_healthy"}
    assert {part: service.get("depends_on") for part, service in services.items()} == {
        "litellm": {"redis": healthy},
        "openwebui": dict.fromkeys(["postgres", "redis"], healthy),
        "postgres": None,
        "redis": None,
    }


@pytest.mark.parametrize(("secret", "parts"), [
    ("postgres", {"postgres", "openwebui"}),
    ("redis", {"redis", "litellm", "openwebui"}),
    ("litellm", {"litellm", "openwebui"}),
    ("openwebui", {"litellm", "openwebui"}),
])  # fmt: skip
def test_a_rotation_marks_the_services_that_hold_the_secret(
    demo: Recording, secret: str, parts: set[str]
) -> None:
    before, after = digests(demo), digests(run_program("demo", rotation=f'{{"{secret}": 2}}'))
    assert {part for part in before if before[part] != after[part]} == parts


def test_a_changed_file_marks_the_service_that_holds_it(demo: Recording) -> None:
    litellm = container(demo, "litellm")
    uploads = [upload["file"] for upload in litellm.inputs["uploads"]]
    path = ("uploads", uploads.index("/etc/litellm/config.yaml"), "content")
    before = digests(demo)
    after = digests(with_resource(demo, with_input(litellm, path, "model_list: []")))
    assert {part for part in before if before[part] != after[part]} == {"litellm"}


@pytest.mark.parametrize(("keys", "value"), [(("memory",), 4096), (("envs",), ["A=1"])])
def test_what_is_no_file_leaves_the_mark_alone(demo: Recording, keys: Keys, value: object) -> None:
    changed = with_input(container(demo, "litellm"), keys, value)
    assert digests(with_resource(demo, changed)) == digests(demo)


def test_all_services_may_take_as_long_as_all_of_them_together(demo: Recording) -> None:
    waits = [resource.inputs["waitTimeout"] for resource in demo.of_type(CONTAINER)]
    assert compose_project("demo", demo).wait_seconds == sum(waits) > max(waits)


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


def test_the_exported_file_is_the_project(project: Path, tmp_path: Path) -> None:
    exported(project, tmp_path / "out")
    file = yaml.safe_load((tmp_path / "out" / "compose.yaml").read_text(encoding="utf-8"))
    expected = compose_project("cloudfreedom-demo", run_program("demo")).file
    for services in (file["services"], expected["services"]):
        for service in services.values():
            del service["labels"][DIGEST]  # its secrets are other ones
    assert file == expected


def test_a_rotation_makes_new_values_of_its_own_only(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(project, folder)
    before = json.loads((folder / "values.json").read_text(encoding="utf-8"))
    exported(project, folder, rotation='{"redis": 2}')
    after = json.loads((folder / "values.json").read_text(encoding="utf-8"))
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
    with pytest.raises(pulumi.RunError, match=r"^tenants/demo\.yaml:"):
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
    values = json.loads((folder / "values.json").read_text(encoding="utf-8"))
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
    with pytest.raises(pulumi.RunError) as raised:
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
    values = json.loads((tmp_path / "out" / "values.json").read_text(encoding="utf-8"))
    assert outputs == {
        "openwebui_url": "http://127.0.0.1:3001",
        "openwebui_admin_email": "admin@demo.example.com",
        "openwebui_admin_password": values["demo-openwebui-admin"]["hex"],
        "litellm_url": "http://127.0.0.1:4001",
        "litellm_master_key": f"sk-{values['demo-litellm-master']['hex']}",
    }


class UpCore(ComposeWay):
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
    settings, keys = Tool(compose=["docker", "compose"]).joined("demo", UpCore(tenant))
    export("demo", root=project, folder=tmp_path / "out", settings=settings, keys=keys)
    assert billed_in(tmp_path / "out") == billed


def test_a_stack_s_file_says_what_the_core_s_amounts_are_in(project: Path, tmp_path: Path) -> None:
    config = "cloudfreedom:currency: EUR, cloudfreedom:usdRate: {rate: 0.86, as_of: 2026-11-20}"
    (project / "Pulumi.demo.yaml").write_text(f"config: {{{config}}}\n", encoding="utf-8")
    exported(project, tmp_path / "out")
    assert billed_in(tmp_path / "out") == ("EUR", "0.86")


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
    (tmp_path / "values.json.new").write_text("half", encoding="utf-8")
    write_private(tmp_path / "values.json", "whole")
    assert contents(tmp_path) == {"values.json": "whole"}


def test_a_value_lasts_until_its_keepers_change(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    values = ValueFile(file)
    one = values.random_hex("one", length=32, keepers={"rotation": "1"})
    two = values.random_hex("two", length=16, keepers={"rotation": "1"})
    assert (len(one), len(two)) == (64, 32)
    values.save()

    again = ValueFile(file)
    assert again.random_hex("one", length=32, keepers={"rotation": "1"}) == one
    assert again.random_hex("two", length=16, keepers={"rotation": "2"}) != two
    assert again.random_hex("one", length=32, keepers={"rotation": "1"}) == one


def test_an_export_to_one_folder_knows_nothing_of_another(project: Path, tmp_path: Path) -> None:
    both = [exported(project, tmp_path / name) for name in ("a", "b")]
    one, two = (
        json.loads((each.folder / "values.json").read_text(encoding="utf-8")) for each in both
    )
    assert set(one) == set(two)
    assert not [name for name in one if one[name]["hex"] == two[name]["hex"]]


def test_every_service_has_a_limit_of_processes_and_memory_to_share(demo: Recording) -> None:
    services = compose_project("demo", demo).file["services"]
    assert {service["pids_limit"] for service in services.values()} == {PROCESSES}
    assert services["postgres"]["shm_size"] == "128m"
    assert services["redis"]["shm_size"] == "64m"


def test_what_pulumi_marks_volumes_with_is_not_in_the_project(demo: Recording) -> None:
    for volume in compose_project("demo", demo).file["volumes"].values():
        assert set(volume["labels"]) == {PART, TENANT}


def test_secrets_are_for_root_where_a_container_starts_as_root(demo: Recording) -> None:
    services = compose_project("demo", demo).file["services"]
    modes = {
        part: {secret.get("mode") for secret in service.get("secrets", ())}
        for part, service in services.items()
    }
    assert modes["openwebui"] == {0o400}
    assert modes["litellm"] == modes["redis"] == {None}
