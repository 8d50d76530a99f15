"""What holds for every resource of every tenant."""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cli.environment import ROOT
from cli.export.recording import CONTAINER, NETWORK, VOLUME, Declared, Recording, Secret
from tests.unit.conftest import KEYS, PARTS, run_acme, run_core, run_program, stable_value

IMAGE = "docker:index/remoteImage:RemoteImage"
RANDOM = "random:index/randomBytes:RandomBytes"
STACK = "pulumi:pulumi:Stack"
UUID = "random:index/randomUuid:RandomUuid"
PUBLISHING = ("litellm", "openwebui", "billing", "identity")
WHOLE = {"cloudfreedom:tenant:TenantStack", "cloudfreedom:core:CoreStack"}


def all_resources() -> Iterator[tuple[str, Declared]]:
    for source in ("official", "built"):
        for stack in ("demo", "app"):
            for resource in run_program(stack, images=source).resources:
                yield f"{source}-{stack}", resource
    for stack, recording in (("acme", run_acme()), ("core", run_core())):
        for resource in recording.resources:
            yield stack, resource


RESOURCES = list(all_resources())


def of_type(token: str) -> pytest.MarkDecorator:
    found = [(run, resource) for run, resource in RESOURCES if resource.type == token]
    assert found, token
    ids = [f"{run}-{resource.name}" for run, resource in found]
    return pytest.mark.parametrize("resource", [resource for _, resource in found], ids=ids)


def test_every_resource_but_the_stack_has_a_parent_in_the_tenant() -> None:
    components = {resource.urn for _, resource in RESOURCES if not resource.custom}
    for _, resource in RESOURCES:
        if resource.type in WHOLE:
            assert f"::{STACK}::" in resource.parent
        elif resource.type != STACK:
            assert resource.parent in components, resource.urn
            assert f"::{STACK}::" not in resource.parent, resource.urn


def test_every_component_has_a_namespaced_type() -> None:
    components = [r for _, r in RESOURCES if not r.custom and r.type != STACK]
    assert components
    for component in components:
        assert re.fullmatch(r"cloudfreedom:(tenant|core|docker):[A-Z]\w+", component.type)


def test_every_docker_resource_has_the_explicit_provider() -> None:
    docker = [r for _, r in RESOURCES if r.type.startswith("docker:")]
    assert docker
    for resource in docker:
        assert "pulumi:providers:docker::" in resource.provider, resource.urn
        assert "default" not in resource.provider


def test_default_docker_providers_are_disabled() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["config"]["pulumi:disable-default-providers"] == ["docker"]


@of_type(CONTAINER)
def test_a_container_is_hardened(resource: Declared) -> None:
    inputs = resource.inputs
    assert inputs["capabilities"]["drops"] == ["ALL"]
    assert inputs["securityOpts"] == ["no-new-privileges:true"]
    assert inputs["init"] is True
    assert inputs["memory"] == inputs["memorySwap"] > 0
    assert float(inputs["cpus"]) > 0
    assert inputs["logOpts"] == {"max-file": "3", "max-size": "10m"}
    assert inputs["restart"] == "always"
    assert inputs["destroyGraceSeconds"] == inputs["stopTimeout"] >= 30
    assert not {"privileged", "networkMode", "pidMode", "ipcMode", "devices"} & set(inputs)


@of_type(CONTAINER)
def test_only_the_container_that_hands_over_a_volume_starts_as_root(resource: Declared) -> None:
    added = resource.inputs["capabilities"].get("adds", [])
    if resource.inputs["user"] == "0:0":
        assert resource.name.endswith("-openwebui")
        assert resource.inputs["entrypoints"][2:5] == ["--user", "1000:1000", "--chown"]
        assert added == ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"]
    else:
        assert added == []


@of_type(CONTAINER)
def test_a_container_counts_only_when_it_is_healthy(resource: Declared) -> None:
    health = resource.inputs["healthcheck"]
    assert health["tests"][0] == "CMD-SHELL"
    assert health["startInterval"] == "1s"
    assert resource.inputs["wait"] is False, "the program waits, and gives up early"
    assert resource.inputs["waitTimeout"] > 0
    # What the provider shows as an update and does not do.
    assert {"healthcheck", "init", "tmpfs"} <= set(resource.replace_on_changes)


def test_what_needs_another_container_waits_until_that_is_ready(demo: Recording) -> None:
    urns = {r.urn: r.name for r in demo.of_type(UUID) if r.name.endswith("-ready")}
    assert set(urns.values()) == {f"demo-{part}-ready" for part in PARTS}
    for resource in demo.of_type(UUID):
        if resource.name in urns.values():
            assert resource.hooks == {resource.name}
    waits = {
        container.name: {urns[urn] for urn in container.depends_on if urn in urns}
        for container in demo.of_type(CONTAINER)
    }
    stores = {"demo-postgres-ready", "demo-redis-ready"}
    assert waits["demo-openwebui"] == stores
    assert waits["demo-litellm"] >= {"demo-redis-ready"}
    assert waits["demo-postgres"] == waits["demo-redis"] == set()


def test_networks_wait_for_volumes_which_may_be_another_states(demo: Recording) -> None:
    volumes = {resource.urn for resource in demo.of_type(VOLUME)}
    assert volumes
    for network in demo.of_type(NETWORK):
        assert network.depends_on >= volumes


@of_type(CONTAINER)
def test_health_means_ready(resource: Declared) -> None:
    ready = {
        "postgres": "SELECT 1",
        "redis": "ping | grep -qx PONG",
        "litellm": "/health/readiness" if resource.name.startswith("acme-") else "/health/guard",
        "openwebui": "/ready",
        "pocketbase": "/api/health",
        "billing": "/health",
        "identity": "/health",
    }
    part = resource.name.rpartition("-")[2]
    assert ready[part] in resource.inputs["healthcheck"]["tests"][1]


@of_type(CONTAINER)
def test_a_secret_reaches_a_container_as_a_file_only(resource: Declared) -> None:
    inputs = dict(resource.inputs)
    uploads = inputs.pop("uploads")
    assert not list(secrets_in(inputs))
    for upload in uploads:
        is_secret = isinstance(upload["content"], Secret)
        assert is_secret == upload["file"].startswith("/run/secrets/"), upload["file"]


@of_type(CONTAINER)
def test_no_secret_value_stands_anywhere_in_plain(resource: Declared) -> None:
    values = {str(text) for text in secrets_in(resource.inputs)}
    plain = repr({key: value for key, value in resource.inputs.items() if key != "uploads"})
    plain += repr([u["file"] for u in resource.inputs["uploads"]])
    assert values
    assert not [value for value in values if value in plain]


@of_type(CONTAINER)
def test_a_secret_is_for_root_where_a_container_starts_as_root(resource: Declared) -> None:
    permissions = {
        upload["permissions"]
        for upload in resource.inputs["uploads"]
        if isinstance(upload["content"], Secret)
    }
    assert permissions == {"0400" if resource.inputs["user"] == "0:0" else "0444"}


@pytest.mark.parametrize(("secret", "holders"), [
    ("litellm-database", {"postgres"}),
    ("openwebui-database", {"postgres", "openwebui"}),
    ("redis-litellm", {"redis", "litellm"}),
    ("redis-ledger", {"redis", "litellm"}),
    ("redis-openwebui", {"redis", "openwebui"}),
    ("litellm-master", {"litellm"}),
    ("litellm-openwebui", {"litellm", "openwebui"}),
    ("litellm-key-reports", {"litellm"}),
    ("litellm-salt", set()),
    ("openwebui-session", {"openwebui"}),
    ("openwebui-identity", {"litellm", "openwebui"}),
    ("openwebui-admin", {"openwebui"}),
])  # fmt: skip
def test_a_secret_is_held_only_where_it_is_needed(
    app: Recording, secret: str, holders: set[str]
) -> None:
    keepers = {"rotation": "1"}
    value = stable_value(f"app-{secret}", keepers)
    assert holders_of(app, value) == holders


def test_the_key_of_second_factors_is_held_by_the_chat_only(app: Recording) -> None:
    value = bytes.fromhex(stable_value("app-openwebui-mfa", {"rotation": "1"}))
    assert holders_of(app, urlsafe_b64encode(value).decode()) == {"openwebui"}


@pytest.mark.parametrize("key", [*json.loads(KEYS["providerKeys"]).values(), KEYS["billingKey"]])
def test_a_key_that_was_given_is_held_by_the_gateway_only(app: Recording, key: str) -> None:
    assert holders_of(app, key) == {"litellm"}


def test_the_secret_of_the_login_is_held_by_the_chat_only(demo: Recording, app: Recording) -> None:
    assert holders_of(demo, KEYS["loginSecret"]) == {"openwebui"}
    assert holders_of(app, KEYS["loginSecret"]) == set()  # it has passwords of its own


def test_the_gateway_has_a_variable_for_each_of_its_keys(app: Recording, acme: Recording) -> None:
    def variables(recording: Recording) -> set[str]:
        uploads = gateway_of(recording).inputs["uploads"]
        return {upload["file"].rpartition("/")[2] for upload in uploads}

    assert variables(app) - variables(acme) == {
        "API_KEY_REPORTS",
        "BILLING_API_KEY",
        "PROVIDER_KEY_OPENAI",
        "PROVIDER_KEY_ANTHROPIC",
        "PROVIDER_KEY_GEMINI",
    }
    assert variables(acme) - variables(app) == set()


def test_the_gateway_has_every_file_of_its_code_and_no_other(demo: Recording) -> None:
    uploaded = {upload["file"] for upload in gateway_of(demo).inputs["uploads"]}
    folders = re.compile("/etc/litellm/.+/.+")
    assert set(filter(folders.fullmatch, uploaded)) == {
        f"/etc/litellm/{path.relative_to(ROOT).as_posix()}"
        for package in ("asgi", "gateway", "money")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.mark.parametrize(("stack", "program", "core"), [
    ("acme", ["python3", "-P", "-m", "gateway.adapter.app"], set()),
    ("app", ["sh", "/etc/litellm/litellm.sh"], {"billing-api"}),
    ("demo", ["sh", "/etc/litellm/litellm.sh"], {"billing-api", "identity-core"}),
])  # fmt: skip
def test_the_gateway_tells_and_reaches_a_billing_api_only_if_there_is_one(
    stack: str, program: list[str], core: set[str]
) -> None:
    inputs = gateway_of(run_acme() if stack == "acme" else run_program(stack)).inputs
    assert inputs["command"] == ["--", *program]
    assert {host["host"] for host in inputs["hosts"]} == core
    uploads = {upload["file"]: upload["content"] for upload in inputs["uploads"]}
    script = ROOT / "components" / "scripts" / "litellm.sh"
    assert uploads["/etc/litellm/litellm.sh"] == script.read_text(encoding="utf-8")


def test_what_is_exported_in_plain_is_no_secret(demo: Recording, app: Recording) -> None:
    secret = {name for name, value in app.outputs.items() if isinstance(value, Secret)}
    plain = {"openwebui_url", "openwebui_admin_email", "litellm_url"}
    assert secret == {"openwebui_admin_password", "litellm_master_key", "litellm_key_reports"}
    assert set(app.outputs) - secret == plain
    assert set(app.outputs) - set(demo.outputs) == {"litellm_key_reports"}


@of_type(CONTAINER)
def test_a_container_runs_the_image_that_was_fetched_for_it(resource: Declared) -> None:
    assert any(f"{IMAGE}::{resource.name}" in urn for urn in resource.depends_on)


def test_only_postgres_needs_another_signal_and_more_time_to_stop(demo: Recording) -> None:
    stops = {
        container.name: (container.inputs["stopSignal"], container.inputs["stopTimeout"])
        for container in demo.of_type(CONTAINER)
    }
    others = {f"demo-{part}": ("SIGTERM", 30) for part in PARTS if part != "postgres"}
    assert stops == others | {"demo-postgres": ("SIGINT", 60)}


@pytest.mark.parametrize(("token", "hooks"), [
    (CONTAINER, {"remove-leftover", "make-ready", "explain"}),
    (NETWORK, {"remove-leftover", "explain"}),
    (VOLUME, {"same-data"}),
])  # fmt: skip
def test_what_heals_a_killed_run_is_at_hand_and_touches_no_volume(
    demo: Recording, token: str, hooks: set[str]
) -> None:
    assert {resource.hooks for resource in demo.of_type(token)} == {frozenset(hooks)}


def test_what_an_admin_of_the_chat_sets_is_kept(demo: Recording) -> None:
    assert "ENABLE_PERSISTENT_CONFIG=true" in chat_of(demo).inputs["envs"]


def test_the_chat_has_every_file_of_its_code_and_no_other(demo: Recording) -> None:
    uploaded = {upload["file"] for upload in chat_of(demo).inputs["uploads"]}
    assert {path for path in uploaded if path.startswith("/etc/cloudfreedom/")} == {
        "/etc/cloudfreedom/chat.json",
        *(
            f"/etc/cloudfreedom/{package}/{path.name}"
            for package in ("asgi", "chat")
            for path in (ROOT / package).iterdir()
            if path.is_file()
        ),
    }


def test_the_chat_connects_to_the_tenant_and_its_login_alone(demo: Recording) -> None:
    uploads = {each["file"]: each["content"] for each in chat_of(demo).inputs["uploads"]}
    told = json.loads(uploads["/etc/cloudfreedom/chat.json"])
    places = [("litellm", 4000), ("postgres", 5432), ("redis", 6379), ("identity-core", 8090)]
    assert [tuple(place) for place in told["destinations"]] == places
    # Another loop would connect where Python's own hook does not see it.
    assert "--loop asyncio" in " ".join(chat_of(demo).inputs["command"])
    assert (told["plugins"], told["connections"]) == (False, False)


@of_type(CONTAINER)
def test_only_the_apps_are_on_the_network_that_leads_out(resource: Declared) -> None:
    tenant, _, part = resource.name.rpartition("-")
    networks = {network["name"] for network in resource.inputs["networksAdvanced"]}
    apps = {f"{tenant}-apps"} if part in PUBLISHING else set()
    assert networks == {f"{tenant}-data"} | apps


@of_type(NETWORK)
def test_the_data_network_has_no_way_out(resource: Declared) -> None:
    if resource.name.endswith("-data"):
        assert resource.inputs["internal"] is True
        assert resource.inputs["options"] == {"com.docker.network.bridge.inhibit_ipv4": "true"}
    else:
        assert resource.inputs["internal"] is False


@of_type(VOLUME)
def test_a_volume_cannot_be_lost_by_accident(resource: Declared) -> None:
    assert resource.protect
    assert resource.retain_on_delete
    assert set(resource.ignore_changes) == {"driver", "driverOpts", "labels"}


@of_type(IMAGE)
def test_an_image_is_of_one_version_and_stays_on_the_host(resource: Declared) -> None:
    assert re.search(r":[^/]*\d+(\.\d+)*", resource.inputs["name"])
    assert not re.search(r":(latest|main|lts|stable)", resource.inputs["name"])
    assert resource.inputs["keepLocally"] is True


@of_type(RANDOM)
def test_a_secret_is_long_and_only_lasting_ones_are_protected(resource: Declared) -> None:
    assert resource.inputs["length"] >= 32
    lasting = resource.name.endswith(
        ("-litellm-salt", "-openwebui-admin", "-openwebui-mfa", "-storage-key")
    )
    assert resource.protect == lasting
    assert resource.inputs["keepers"] == {"rotation": "1"}


@pytest.mark.parametrize(("stack", "bind", "ports"), [
    ("demo", "127.0.0.1", {"litellm": 4001, "openwebui": 3001}),
    ("app", "127.0.0.1", {"litellm": 4000, "openwebui": 3000}),
])  # fmt: skip
def test_two_ports_are_published_on_the_bind_address(
    stack: str, bind: str, ports: dict[str, int]
) -> None:
    recording = run_program(stack)
    published = {
        container.name.rpartition("-")[2]: (port["ip"], port["external"])
        for container in recording.of_type(CONTAINER)
        for port in container.inputs["ports"]
    }
    assert published == {part: (bind, port) for part, port in ports.items()}


def test_two_tenants_share_no_name(demo: Recording, app: Recording) -> None:
    def names(recording: Recording) -> set[tuple[str, str]]:
        tokens = (CONTAINER, NETWORK, VOLUME)
        return {(token, r.inputs["name"]) for token in tokens for r in recording.of_type(token)}

    assert len(names(demo)) == len(names(app)) == 9
    assert not names(demo) & names(app)


def test_everything_on_the_host_is_labelled(demo: Recording) -> None:
    for token in (CONTAINER, NETWORK, VOLUME):
        for resource in demo.of_type(token):
            labels = {label["label"]: label["value"] for label in resource.inputs["labels"]}
            assert labels["cloudfreedom.tenant"] == "demo"


def chat_of(recording: Recording) -> Declared:
    """Open WebUI's container."""
    [chat] = [c for c in recording.of_type(CONTAINER) if c.name.endswith("-openwebui")]
    return chat


def gateway_of(recording: Recording) -> Declared:
    """The container of LiteLLM."""
    [gateway] = [c for c in recording.of_type(CONTAINER) if c.name.endswith("-litellm")]
    return gateway


def holders_of(recording: Recording, value: str) -> set[str]:
    """Parts that a secret is given to."""
    return {
        container.name.rpartition("-")[2]
        for container in recording.of_type(CONTAINER)
        if any(value in upload["content"] for upload in container.inputs["uploads"])
    }


def secrets_in(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from secrets_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from secrets_in(item)
