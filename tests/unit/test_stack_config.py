"""A stack's config: what it changes in what is declared, and what is said about a bad one."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from cli.environment import ROOT
from cli.export.recording import CONTAINER, Declared, Recording
from components.credentials import core_credentials
from components.stack_config import LOCAL_DOCKER, StackConfig, StackConfigError, docker_hosts
from schema.yaml_file import stacks
from tenants.loader import FOLDER
from tests.unit.conftest import KEYS, run_program

RANDOM = "random:index/randomBytes:RandomBytes"
HIDDEN = "sk-hidden"
KNOWN = (
    "dockerHost, images, imageOverrides, registries, backup, backupCredentials, rotation,"
    " providerKeys, billingKey, loginSecret, core, currency, usdRate"
)


def refusal(stack: str, config: Mapping[str, str]) -> list[str]:
    """The sentences that `pulumi up` ends with."""
    with pytest.raises(pulumi.RunError) as raised:
        run_program(stack, **config)
    return str(raised.value).splitlines()


@pytest.mark.parametrize(("key", "value", "problem"), [
    ("rotation", '{"postgres": 0}', "rotation.postgres: must be greater than or equal to 1"),
    ("rotation", '{"postgres": -1}', "rotation.postgres: must be greater than or equal to 1"),
    ("rotation", '{"redis": "two"}', "rotation.redis: must be a valid integer"),
    ("rotation", '{"redis": "0"}', "rotation.redis: must be greater than or equal to 1"),
    ("rotation", '{"redis": true}', "rotation.redis: must be a valid integer"),
    ("rotation", "2", "rotation: must be a mapping"),
    ("colour", "red", f"colour: unknown key; known are {KNOWN}"),
    ("rotation.postgres", "2", f"rotation.postgres: unknown key; known are {KNOWN}"),
    ("images", "mine", "images: must be 'official' or 'built'"),
    ("imageOverrides", "litellm:v1.2.3", "imageOverrides: must be a mapping"),
    ("providerKeys", HIDDEN, "providerKeys: must be a mapping"),
    ("providerKeys", f'{{"openai": ["{HIDDEN}"]}}', "providerKeys.openai: must be a valid string"),
    ("billingKey", f'["{HIDDEN}"]', "billingKey: must be a valid string"),
    ("currency", "euro", "currency: must be a currency's three letters, such as EUR"),
    ("backup", "{}", "backup.repository: required, but missing"),
    ("backup", '{"repository": "backups"}',
     "backup.repository: must be an absolute path of the Docker host, sftp:…, s3:https://… or"
     " rest:https://…"),
    ("backup", '{"repository": "/b", "schedule": "daily"}',
     "backup.schedule: must be five fields as cron has them, such as `30 2 * * *`"
     " (Wrong number of fields)"),
    ("backup", '{"repository": "/b", "keep": {"last": 0}}',
     "backup.keep.last: must be greater than or equal to 1"),
    ("backup", '{"repository": "/b", "memory": 1}',
     "backup.memory: unknown key; known are memoryMb, cpus, repository, schedule, proofs, keep,"
     " appendOnly, uploadKib, knownHosts"),
    ("backup", '{"repository": "sftp:me@host:/b"}',
     "backup: must be `knownHosts` beside `sftp:`, lines as `ssh-keyscan HOST` prints them"),
    ("backupCredentials", f'{{"PASSWORD": "{HIDDEN}"}}',
     "backupCredentials.PASSWORD.[key]: must be 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY',"
     " 'RESTIC_REST_USERNAME', 'RESTIC_REST_PASSWORD' or 'SSH_KEY'"),
    ("usdRate", '{"rate": "0.86", "as_of": "2026-11-20"}',
     "usdRate: must be nothing, or `currency` beside it, which is not USD"),
])  # fmt: skip
def test_a_bad_value(key: str, value: str, problem: str) -> None:
    assert refusal("demo", {key: value}) == [f"Pulumi.demo.yaml: cloudfreedom:{problem}"]


@pytest.mark.parametrize("host", ["", "localhost", "[::1]", "http://docker.example.com", "ssh://"])
def test_a_bad_docker_host(host: str) -> None:
    assert refusal("demo", {"dockerHost": host}) == [
        "Pulumi.demo.yaml: cloudfreedom:dockerHost: must be unix://…, tcp://… or ssh://…"
    ]


@pytest.mark.parametrize(("repository", "names"), [
    ("s3:https://s3.example.com/acme", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
    ("sftp:me@backups.example.com:/acme", ["SSH_KEY"]),
])  # fmt: skip
def test_a_repository_that_needs_credentials(repository: str, names: list[str]) -> None:
    settings = {"repository": repository, "knownHosts": ["backups.example.com ssh-ed25519 AAAA"]}
    assert refusal("demo", {"backup": json.dumps(settings)}) == [
        f"tenants/demo.yaml: `backup.repository` needs {name}: pulumi config set --secret --path"
        f" backupCredentials.{name} (or, for an export to Compose, set"
        f" CLOUDFREEDOM_BACKUP_CREDENTIAL_{name})"
        for name in names
    ]


def test_the_salt_key_has_no_rotation() -> None:
    assert refusal("demo", {"rotation": '{"salt": 2}'}) == [
        "Pulumi.demo.yaml: cloudfreedom:rotation.salt: unknown key;"
        " known are postgres, redis, litellm, openwebui"
    ]


def test_all_problems_come_at_once_and_none_shows_a_key() -> None:
    problems = refusal("demo", {
        "images": "mine",
        "providerKeys": f'{{"openai": {{"{HIDDEN}": "{HIDDEN}"}}, "gemini": ["{HIDDEN}"]}}',
        "billingKey": f'{{"key": "{HIDDEN}"}}',
        "key": HIDDEN,
    })  # fmt: skip
    assert [problem.split(": ")[1] for problem in problems] == [
        "cloudfreedom:images",
        "cloudfreedom:providerKeys.openai",
        "cloudfreedom:providerKeys.gemini",
        "cloudfreedom:billingKey",
        "cloudfreedom:key",
    ]
    assert HIDDEN not in "".join(problems)


def test_all_missing_keys_come_at_once_and_each_is_told_how_to_set_it() -> None:
    missing = [("gpt-5", "openai"), ("claude-sonnet", "anthropic"), ("gemini-pro", "gemini")]
    *providers, billing = refusal("app", {"providerKeys": "{}", "billingKey": ""})
    for problem, (model, key) in zip(providers, missing, strict=True):
        assert problem == (
            f"tenants/app.yaml: model {model} needs the provider key '{key}':"
            f" pulumi config set --secret --path providerKeys.{key}"
            f" (or, for an export to Compose, set CLOUDFREEDOM_PROVIDER_KEY_{key.upper()})"
        )
    assert billing == (
        "tenants/app.yaml: `billing` needs a key: pulumi config set core"
        " organization/PROJECT/STACK, or pulumi config set --secret billingKey"
        " (or, for an export to Compose, set CLOUDFREEDOM_BILLING_KEY)"
    )


@pytest.mark.parametrize("anthropic", ["", ', "anthropic": ""', ', "anthropic": " "'])
def test_only_what_is_missing_is_asked_for(anthropic: str) -> None:
    keys = f'{{"openai": "{HIDDEN}", "gemini": "{HIDDEN}"{anthropic}}}'
    [problem] = refusal("app", {"providerKeys": keys, "billingKey": HIDDEN})
    assert "model claude-sonnet needs the provider key 'anthropic'" in problem
    assert HIDDEN not in problem


@pytest.mark.parametrize("config", [{"billingKey": ""}, {"billingKey": " "}])
def test_a_tenant_with_billing_needs_its_key(config: Mapping[str, str]) -> None:
    [problem] = refusal("app", {"providerKeys": KEYS["providerKeys"], **config})
    assert "`billing` needs a key" in problem


@pytest.mark.parametrize("secret", ["", " "])
def test_a_tenant_with_a_login_needs_its_secret(secret: str) -> None:
    assert refusal("demo", {"loginSecret": secret}) == [
        "tenants/demo.yaml: `login` needs a secret: pulumi config set core"
        " organization/PROJECT/STACK, or pulumi config set --secret loginSecret"
        " (or, for an export to Compose, set CLOUDFREEDOM_LOGIN_SECRET)"
    ]


def test_no_key_is_shown_with_the_config() -> None:
    config = StackConfig(provider_keys={"openai": HIDDEN}, billing_key=HIDDEN, login_secret=HIDDEN)
    assert HIDDEN not in repr(config)


def test_a_stack_without_a_tenant_file() -> None:
    [problem] = refusal("nobody", {})
    assert problem.startswith("tenants/nobody.yaml:1: ")


@pytest.mark.parametrize(("overrides", "problems"), [
    ('{"litellm": "mirror.example/litellm:latest"}',
     ["litellm: 'latest' is not a full version, so what it stands for changes."]),
    ('{"litellm": "mirror.example/litellm:v1.82.7"}',
     ["litellm: version v1.82.7 is refused, because it was compromised"]),
    ('{"postgres": "postgres:18.1", "redis": "valkey"}',
     ["postgres: version 18.1 is refused, because it keeps its data in another folder",
      "redis: 'valkey' is no reference of an image with its version."]),
    ('{"base": "debian:13.8"}', ["There is no image 'base' to override, only postgres, redis,"]),
])  # fmt: skip
def test_an_image_that_must_not_run(overrides: str, problems: list[str]) -> None:
    refused = refusal("demo", {"imageOverrides": overrides})
    assert len(refused) == len(problems)
    for sentence, start in zip(refused, problems, strict=True):
        assert sentence.startswith(start)


def test_an_image_of_ones_own_is_what_its_part_runs(demo: Recording) -> None:
    own = "mirror.example/open-webui:v0.12.9@sha256:" + "0123456789abcdef" * 4
    recording = run_program("demo", imageOverrides=f'{{"openwebui": "{own}"}}')
    assert changed(demo, recording) == {"RemoteImage demo-openwebui", "Container demo-openwebui"}
    [container] = [c for c in recording.of_type(CONTAINER) if c.name == "demo-openwebui"]
    assert container.inputs["image"] == own


def test_another_docker_host_changes_the_provider_alone(demo: Recording) -> None:
    recording = run_program("demo", dockerHost="ssh://deploy@two.example.com")
    assert changed(demo, recording) == {"docker demo"}


LITELLM, OPENWEBUI, POSTGRES, REDIS = "litellm", "openwebui", "postgres", "redis"


@pytest.mark.parametrize(("secret", "values", "containers"), [
    (POSTGRES, {"litellm-database", "openwebui-database"}, {POSTGRES, OPENWEBUI}),
    (REDIS, {"redis-litellm", "redis-ledger", "redis-openwebui"}, {REDIS, LITELLM, OPENWEBUI}),
    (LITELLM, {"litellm-master", "litellm-openwebui", "litellm-key-reports"}, {LITELLM, OPENWEBUI}),
    (OPENWEBUI, {"openwebui-session", "openwebui-identity"}, {LITELLM, OPENWEBUI}),
])  # fmt: skip
def test_a_rotation_changes_its_values_wherever_they_are_used_and_nothing_else(
    app: Recording, secret: str, values: set[str], containers: set[str]
) -> None:
    rotated = run_program("app", rotation=f'{{"{secret}": 2}}', **KEYS)
    expected = {f"RandomBytes app-{name}" for name in values}
    expected |= {f"{kind} app-{name}" for name in containers for kind in ("Service", "Container")}
    assert changed(app, rotated) == expected
    for before, after in zip(app.of_type(CONTAINER), rotated.of_type(CONTAINER), strict=True):
        assert without_uploads(before) == without_uploads(after)


def test_what_lasts_changes_in_no_rotation(app: Recording) -> None:
    every = '{"postgres": 2, "redis": 3, "litellm": 4, "openwebui": 5}'
    rotated = run_program("app", rotation=every, **KEYS)
    changes = changed(app, rotated)
    made = {f"RandomBytes {resource.name}" for resource in app.of_type(RANDOM)}
    lasting = ("fingerprints", "litellm-salt", "openwebui-admin", "openwebui-mfa")
    assert made - changes == {f"RandomBytes app-{name}" for name in lasting}
    path = "/run/secrets/env/WEBUI_ADMIN_PASSWORD"
    assert uploaded(app, path) == uploaded(rotated, path)


def test_a_rotation_may_be_a_text_of_digits(demo: Recording) -> None:
    # `pulumi config set rotation.postgres 2` without `--path` or by hand writes one.
    assert changed(demo, run_program("demo", rotation='{"redis": "1"}')) == set()


def test_a_key_as_a_name_is_masked() -> None:
    [problem] = refusal("demo", {"rotation": '{"sk-proj-0123456789": 2}'})
    assert problem.startswith("Pulumi.demo.yaml: cloudfreedom:rotation.***: unknown key")


CORE = "organization/cloudfreedom-core/prod"
ELSEWHERE = (
    ". A core elsewhere: `pulumi config rm core`, and give its keys by value:"
    " `pulumi config set --secret billingKey`, `pulumi config set --secret loginSecret`,"
    " with its `currency` and `usdRate` beside them"
)


@pytest.mark.parametrize(("outputs", "problem"), [
    ({}, "is not up yet: `pulumi up` it first"),
    ({"tenants": {}}, "has no tenant 'acme': add it to the core's file and `pulumi up` the core"),
    ({"tenants": {"acme": {"billing_key": {}, "login_secret": {}}}},
     "has another passphrase, so its secrets cannot be read: give both stacks the same"),
])  # fmt: skip
def test_a_core_that_gives_no_keys(outputs: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(StackConfigError) as raised:
        core_credentials(outputs, "acme", core=CORE, stack="acme")
    told = str(raised.value).partition("cloudfreedom:core: ")[2]
    assert told == f"the core {CORE} {problem}{ELSEWHERE}"


@pytest.mark.parametrize(("more", "currency", "rate"), [
    ({}, None, None),
    ({"currency": "USD", "usd_rate": None}, "USD", None),
    ({"currency": "EUR", "usd_rate": {"rate": "0.86", "as_of": "2026-11-20"}}, "EUR", "0.86"),
])  # fmt: skip
def test_a_core_says_what_its_amounts_are_in(
    more: Mapping[str, Any], currency: str | None, rate: str | None
) -> None:
    outputs = {"tenants": {"acme": {"billing_key": "key", "login_secret": "secret", **more}}}
    found = core_credentials(outputs, "acme", core=CORE, stack="acme")
    assert found.currency == currency
    assert (str(found.usd_rate.rate) if found.usd_rate else None) == rate


def test_a_rotation_that_is_left_out_is_the_first(demo: Recording) -> None:
    assert changed(demo, run_program("demo", rotation="{}")) == set()
    assert changed(demo, run_program("demo", rotation='{"redis": 1}')) == set()


@pytest.mark.parametrize(("files", "hosts"), [
    ({"one": "", "two": "config:\n"}, {"one": LOCAL_DOCKER, "two": LOCAL_DOCKER}),
    ({"one": "config:\n  cloudfreedom:dockerHost: ssh://a.example\n  other:dockerHost: x\n"},
     {"one": "ssh://a.example"}),
    ({"one": "config: [", "two": "- config\n", "three": "config: cloudfreedom\n",
      "four": "config: {cloudfreedom:dockerHost: ssh://a.example}"},
     {"one": LOCAL_DOCKER, "two": LOCAL_DOCKER, "three": LOCAL_DOCKER, "four": "ssh://a.example"}),
])  # fmt: skip
def test_the_docker_host_of_each_stack(
    tmp_path: Path, files: Mapping[str, str], hosts: Mapping[str, str]
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: cloudfreedom\n", encoding="utf-8")
    for stack, text in files.items():
        (tmp_path / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")
    assert docker_hosts(tmp_path) == hosts


def test_a_tenant_whose_stack_has_no_file_yet_is_on_the_local_host(tmp_path: Path) -> None:
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / "new.yaml").touch()
    assert docker_hosts(tmp_path) == {"new": LOCAL_DOCKER}


def test_each_tenant_of_the_repository_has_a_stack() -> None:
    assert {path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")} == set(stacks(FOLDER))


def changed(before: Recording, after: Recording) -> set[str]:
    """Type and name of each resource that is not the same in both; none is in only one."""
    one, other = ({r.urn: r for r in recording.resources} for recording in (before, after))
    assert set(one) == set(other)
    return {
        f"{resource.type.rpartition(':')[2]} {resource.name}"
        for urn, resource in one.items()
        if resource != other[urn]
    }


def without_uploads(container: Declared) -> dict[str, object]:
    return {key: value for key, value in container.inputs.items() if key != "uploads"}


def uploaded(recording: Recording, path: str) -> str:
    [content] = [
        upload["content"]
        for container in recording.of_type(CONTAINER)
        for upload in container.inputs["uploads"]
        if upload["file"] == path
    ]
    return str(content)


def shown(recording: Recording, name: str) -> Mapping[str, Any]:
    """What a reviewer sees of a container's files."""
    [service] = [r for r in recording.of_type("cloudfreedom:docker:Service") if r.name == name]
    return service.inputs


def test_settings_are_readable_in_a_diff_and_secrets_are_not(app: Recording) -> None:
    litellm = shown(app, "app-litellm")
    assert "gpt-5" in litellm["files"]["/etc/litellm/config.yaml"]
    assert len(litellm["files"]["/etc/litellm/gateway/adapter/callback.py"]) == 12
    assert set(litellm["secrets"]) >= {"PROVIDER_KEY_OPENAI", "BILLING_API_KEY", "REDIS_PASSWORD"}
    assert all(re.fullmatch("[0-9a-f]{8}", print_) for print_ in litellm["secrets"].values())


def test_which_secret_changed_is_readable(app: Recording) -> None:
    keys = KEYS | {"providerKeys": KEYS["providerKeys"].replace("key-of-openai", "another")}
    before, after = (
        shown(each, "app-litellm")["secrets"] for each in (app, run_program("app", **keys))
    )
    assert {name for name in before if before[name] != after[name]} == {"PROVIDER_KEY_OPENAI"}


def test_the_login_at_a_registry_is_the_clis_own(demo: Recording) -> None:
    recording = run_program("demo", registries='["127.0.0.1:5000"]')
    [provider] = recording.of_type("pulumi:providers:docker")
    assert json.loads(provider.inputs["registryAuth"]) == [{"address": "127.0.0.1:5000"}]
    [without] = demo.of_type("pulumi:providers:docker")
    assert "registryAuth" not in without.inputs


@pytest.mark.parametrize("registry", ["https://registry.example.com", "registry.example.com/team"])
def test_a_registry_is_a_host(registry: str) -> None:
    assert refusal("demo", {"registries": f'["{registry}"]'}) == [
        "Pulumi.demo.yaml: cloudfreedom:registries.0: must be a registry's host,"
        " such as registry.example.com"
    ]


def test_ssh_asks_nobody_anything() -> None:
    recording = run_program("demo", dockerHost="ssh://deploy@two.example.com")
    [provider] = recording.of_type("pulumi:providers:docker")
    assert "BatchMode=yes" in provider.inputs["sshOpts"]
