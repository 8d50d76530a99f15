"""What a core is, and what its processes are told of it."""

import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pulumi
import pytest

from cli.environment import ROOT
from cli.export.recording import CONTAINER, Declared, Recording, Secret
from components.stack_config import StackConfigError
from core import loader
from core.deployment.first_password import readable
from core.deployment.stack_config import CoreConfig, check_gateways
from core.model import Core
from core.services.settings import BillingSecrets, IdentitySecrets, Settings, UsdRate
from schema.diagnostics import InvalidFileError
from schema.yaml_file import read
from tests.unit.conftest import CORE_PARTS, run_core

# Four lines, so that what a test appends stands in line 5, inside of the tenant.
CORE = """\
name: Acme
tenants:
  - slug: acme
    name: Acme
"""
CHAT = "    chat_url: https://chat.acme.example\n"


def part(recording: Recording, name: str) -> Declared:
    [found] = [c for c in recording.of_type(CONTAINER) if c.name == f"core-{name}"]
    return found


def upload(recording: Recording, name: str, file: str) -> str:
    [content] = [u["content"] for u in part(recording, name).inputs["uploads"] if u["file"] == file]
    return str(content)


def load(folder: Path, text: str) -> Core:
    (folder / "acme.yaml").write_text(text, encoding="utf-8")
    core, _ = read(folder / "acme.yaml", Core)
    return core


@pytest.mark.parametrize(("more", "url"), [
    ("", "http://127.0.0.1:8090"), ("bind: ::1\n", "http://[::1]:8090"),
    ("bind: 0.0.0.0\ndomain: login.example.com\n", "https://login.example.com"),
])  # fmt: skip
def test_the_address_of_the_login(tmp_path: Path, more: str, url: str) -> None:
    assert load(tmp_path, f"{CORE}{CHAT}{more}").public_url == url


@pytest.mark.parametrize(("text", "problem"), [
    (f"{CHAT}bind: 0.0.0.0\n",
     '6: bind = "0.0.0.0": an address that people open, or `domain` beside it'),
    ("    chat_url: chat\n", '5: tenants.0.chat_url = "chat": must be a valid URL, relative URL'
     " without a base"),
    (f"{CHAT}    people: [{{email: ada, name: Ada}}]\n",
     '6: tenants.0.people.0.email = "ada": must be an e-mail address'),
    (f"{CHAT}    people: [{{email: a@b.example, name: Ada, role: root}}]\n",
     "6: tenants.0.people.0.role = \"root\": must be 'user' or 'admin'"),
    (f"{CHAT}    people: [{{email: A@b.example, name: A}}, {{email: a@b.example, name: B}}]\n",
     '6: tenants.0.people.1.email = "a@b.example": one that is not used above'),
    (f"{CHAT}    default_budget: {{amount: 0.0000000001}}\n",
     '6: tenants.0.default_budget.amount = 1e-10: must have no more than 9 decimal places'),
    (f"{CHAT}    default_budget: {{amount: 5, period: year}}\n",
     "6: tenants.0.default_budget.period = \"year\": must be 'month' or 'never'"),
    (f"{CHAT}  - {{slug: acme, name: B, chat_url: https://b.example}}\n",
     '6: tenants.1.slug = "acme": one that is not used above'),
    (f"{CHAT}slug: acme\n",
     '6: slug = "acme": must be `core`, or `core-` and up to 20 letters and digits'),
    (f"{CHAT}currency: euro\n",
     '6: currency = "euro": must be a currency\'s three letters, such as EUR'),
    (f"{CHAT}usd_rate: {{rate: 0, as_of: 2026-11-20}}\n",
     "6: usd_rate.rate = 0: must be greater than 0"),
    (f"{CHAT}usd_rate: {{rate: 0.86}}\n", "6: usd_rate.as_of: required, but missing"),
    (f"{CHAT}currency: USD\nusd_rate: {{rate: 1, as_of: 2026-11-20}}\n",
     '7: usd_rate: none: the budgets are in USD already'),
    (f"{CHAT}pocketbase: {{admin_port: 8090}}\nidentity: {{port: 8090}}\n",
     "6: pocketbase.admin_port = 8090: already used by another service; choose another\n"
     "{file}:7: identity.port = 8090: already used by another service; choose another"),
    (f"{CHAT}ports: 1\n", "6: ports = 1: unknown key; known here: slug, name, currency, usd_rate,"
     " domain, bind, pocketbase, billing, identity, tenants"),
])  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidFileError) as raised:
        load(tmp_path, CORE + text)
    file = f"{tmp_path.name}/acme.yaml"
    assert str(raised.value) == f"{file}:{problem.format(file=file)}"


def test_nobody_is_of_two_tenants(tmp_path: Path) -> None:
    people = "    people: [{email: ada@example.com, name: Ada}]\n"
    other = "  - slug: beta\n    name: Beta\n    chat_url: https://chat.beta.example\n"
    with pytest.raises(InvalidFileError) as raised:
        load(tmp_path, f"{CORE}{CHAT}{people}{other}{people}")
    assert [problem.field for problem in raised.value.problems] == [
        "tenants.0.people.0.email",
        "tenants.1.people.0.email",
    ]


def test_two_cores_do_not_share_their_data(tmp_path: Path) -> None:
    texts = {"a": "name: A\n", "b": "slug: core\nname: B\n", "c": "slug: core-c\nname: C\n"}
    for stack, text in texts.items():
        (tmp_path / f"{stack}.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidFileError) as raised:
        loader.load_all(tmp_path)
    assert str(raised.value).splitlines() == [
        f'{tmp_path.name}/a.yaml:1: slug = "core": already used by b.yaml; choose another',
        f'{tmp_path.name}/b.yaml:1: slug = "core": already used by a.yaml; choose another',
    ]


def test_a_core_comes_up_whatever_is_wrong_with_another(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: A\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("name: [\n", encoding="utf-8")
    assert loader.load("a", tmp_path).name == "A"


def test_a_stack_without_a_file_is_told_the_known_ones() -> None:
    with pytest.raises(InvalidFileError, match=r"other\.yaml:1: there is no such file: .*demo"):
        read(ROOT / "core" / "other.yaml", Core)


def test_a_bad_config_is_told_in_the_words_of_the_core() -> None:
    with pytest.raises(pulumi.RunError) as raised:
        run_core(rotation='{"redis": 2}')
    assert str(raised.value) == (
        "Pulumi.demo.yaml: cloudfreedom-core:rotation.redis: unknown key;"
        " known are pocketbase, tenants, tenantKeys, now"
    )


def test_the_way_to_the_host_is_an_address() -> None:
    recording = run_core(hostGateway="10.1.2.3")
    assert part(recording, "billing").inputs["ports"][0]["ip"] == "10.1.2.3"
    with pytest.raises(pulumi.RunError, match=r"hostGateway: .*not a valid IPv4 or IPv6 address"):
        run_core(hostGateway="bridge")


@pytest.mark.parametrize("name", ["billing", "identity"])
def test_its_processes_understand_what_they_are_told(core: Recording, name: str) -> None:
    told = Settings.model_validate_json(upload(core, name, "/etc/core/settings.json"))
    [tenant] = told.tenants
    assert told.public_url == "http://127.0.0.1:8090"
    assert told.internal_urls == ("http://identity-core:8090", "http://pocketbase-core:8090")
    assert told.currency == "EUR"
    assert told.usd_rate == UsdRate(rate=Decimal("0.86"), as_of=date(2026, 11, 20))
    assert (tenant.slug, tenant.chat_url) == ("demo", "http://127.0.0.1:3001")
    budgets = {person.email: person.budget and person.budget.amount for person in tenant.people}
    assert budgets == {"ada@example.com": "5", "ben@example.com": "0.0005"}


@pytest.mark.parametrize("name", ["billing", "identity"])
def test_its_processes_find_all_of_their_code(core: Recording, name: str, tmp_path: Path) -> None:
    for sent in part(core, name).inputs["uploads"]:
        if sent["file"].startswith("/opt/"):
            file = tmp_path / str(sent["file"]).removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(sent["content"], encoding="utf-8")
    whole = part(core, name).inputs["command"]
    serve, factory, *_ = whole[whole.index("-m") + 1 :]
    script = f"import {serve}, {factory.partition(':')[0]}; print({serve}.__file__)"
    environment = {"PYTHONPATH": str(tmp_path / "opt" / "cloudfreedom")}
    command = [sys.executable, "-c", script]
    options: dict[str, Any] = {"env": environment, "cwd": tmp_path, "text": True}
    found = subprocess.run(command, check=False, capture_output=True, **options)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(str(tmp_path))


def test_its_processes_share_the_secrets_that_are_exported(core: Recording) -> None:
    billing = BillingSecrets.model_validate_json(upload(core, "billing", "/run/secrets/core.json"))
    identity = IdentitySecrets.model_validate_json(
        upload(core, "identity", "/run/secrets/core.json")
    )
    outputs = core.outputs
    assert billing.pocketbase_password == identity.pocketbase_password
    assert billing.operator_key == outputs["operator_key"]
    assert billing.first_passwords == outputs["people"]
    assert outputs["people"] == {
        email: readable(long) for email, long in billing.long_first_passwords.items()
    }
    assert outputs["tenants"] == {
        "demo": {
            "billing_key": billing.tenant_keys["demo"],
            "login_secret": identity.client_secrets["demo"],
            "currency": "EUR",
            "usd_rate": {"rate": "0.86", "as_of": "2026-11-20"},
        }
    }


def test_whatever_is_exported_of_a_secret_is_one(core: Recording) -> None:
    outputs = core.outputs
    secrets = [
        *outputs["people"].values(),
        *(outputs["tenants"]["demo"][name] for name in ("billing_key", "login_secret")),
        outputs["operator_key"],
        outputs["pocketbase_admin_password"],
    ]
    assert all(isinstance(secret, Secret) for secret in secrets)


def test_only_its_services_are_published_each_where_it_is_needed(core: Recording) -> None:
    published = {
        name: [(port["ip"], port["external"]) for port in part(core, name).inputs["ports"]]
        for name in CORE_PARTS
    }
    assert published == {
        "pocketbase": [],
        "billing": [("172.17.0.1", 3000)],
        "identity": [("127.0.0.1", 8090), ("172.17.0.1", 8090)],
    }


def test_no_file_of_a_container_is_empty(core: Recording) -> None:
    for name in CORE_PARTS:
        for file in part(core, name).inputs["uploads"]:
            assert str(file["content"]).strip(), file["file"]


def keepers(recording: Recording) -> dict[str, str]:
    made = recording.of_type("random:index/randomBytes:RandomBytes")
    return {r.name.removeprefix("core-"): r.inputs["keepers"]["rotation"] for r in made}


@pytest.mark.parametrize(("rotation", "changed"), [
    ("pocketbase", {"superuser": "2", "services": "2"}),
    ("tenants", {"operator-key": "2", "key2-demo": "2", "client2-demo": "2"}),
    ("tenantKeys", {"key2-demo": "2", "client2-demo": "2"}),
])  # fmt: skip
def test_a_rotation_makes_new_values_of_its_own_only(
    core: Recording, rotation: str, changed: dict[str, str]
) -> None:
    turn = '{"demo": 2}' if rotation == "tenantKeys" else "2"
    after = keepers(run_core(rotation=f'{{"{rotation}": {turn}}}'))
    assert dict(after.items() - keepers(core).items()) == changed


@pytest.mark.parametrize(("rotation", "newest", "previous"), [
    ("{}", "key-demo", None),
    ('{"tenantKeys": {"demo": 2}}', "key2-demo", "key-demo"),
    ('{"tenants": 2, "tenantKeys": {"demo": 2}}', "key3-demo", "key2-demo"),
    ('{"tenantKeys": {"demo": 3}, "now": ["demo"]}', "key3-demo", None),
])  # fmt: skip
def test_the_key_before_counts_until_the_tenant_comes(
    rotation: str, newest: str, previous: str | None
) -> None:
    recording = run_core(rotation=rotation)
    billing = BillingSecrets.model_validate_json(
        upload(recording, "billing", "/run/secrets/core.json")
    )
    identity = IdentitySecrets.model_validate_json(
        upload(recording, "identity", "/run/secrets/core.json")
    )
    made = {
        name: recording.outputs["tenants"]["demo"][output]
        for name, output in (
            (newest, "billing_key"),
            (newest.replace("key", "client"), "login_secret"),
        )
    }
    assert billing.tenant_keys == {"demo": made[newest]}
    assert list(billing.previous_tenant_keys) == ([] if previous is None else ["demo"])
    assert list(identity.previous_client_secrets) == list(billing.previous_tenant_keys)
    assert made[newest] not in billing.previous_tenant_keys.values()
    assert set(keepers(recording)) >= {newest, *([previous] if previous else [])}


def test_a_rotation_of_nobody_is_told() -> None:
    for rotation in ('{"tenantKeys": {"nobody": 2}}', '{"now": ["nobody"]}'):
        with pytest.raises(pulumi.RunError, match="the core has no tenant 'nobody'; it has demo"):
            run_core(rotation=rotation)


# --- First passwords


def test_a_first_password_is_read_aloud(core: Recording) -> None:
    passwords = core.outputs["people"].values()
    assert len(set(passwords)) == 2
    for password in passwords:
        assert re.fullmatch(
            r"([bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz](-[a-z]{5}){3}", password
        )


def test_a_first_password_has_64_bits() -> None:
    # The examples of the proquints' own specification, by two.
    assert readable("7f0000013f54dcc1" + "0" * 48) == "lusab-babad-gutih-tugad"
    assert readable("0" * 64) == "babab-babab-babab-babab"
    assert readable("f" * 64) == "zuzuz-zuzuz-zuzuz-zuzuz"
    words = {readable(f"{1 << bit:016x}") for bit in range(64)}
    assert len(words) == 64
    assert readable("00000000000000017f") == readable("0000000000000001ff")


def test_people_and_containers_have_an_address_each(tmp_path: Path) -> None:
    core = load(tmp_path, f"{CORE}{CHAT}bind: 172.17.0.1\n")
    with pytest.raises(StackConfigError) as raised:
        check_gateways({"acme": core}, tmp_path)
    assert str(raised.value) == (
        "core/acme.yaml: bind = 172.17.0.1: the containers' way to the Docker host (`hostGateway`"
        " in the stack's config), where the login listens already: another address of the host,"
        " or 0.0.0.0 with `domain`"
    )
    config = "config: {'cloudfreedom-core:hostGateway': 10.1.2.3}\n"
    (tmp_path / "Pulumi.acme.yaml").write_text(config, encoding="utf-8")
    check_gateways({"acme": core}, tmp_path)
    with pytest.raises(StackConfigError):
        CoreConfig(host_gateway=ip_address("172.17.0.1")).check(core, "acme")


@pytest.mark.parametrize("gateway", ["abc", "''", "172.17.0.1/16", "[172.17.0.1]"])
def test_a_gateway_that_is_no_address_is_one_sentence(tmp_path: Path, gateway: str) -> None:
    core = load(tmp_path, f"{CORE}{CHAT}")
    config = f"config: {{'cloudfreedom-core:hostGateway': {gateway}}}\n"
    (tmp_path / "Pulumi.acme.yaml").write_text(config, encoding="utf-8")
    with pytest.raises(StackConfigError) as raised:
        check_gateways({"acme": core}, tmp_path)
    assert str(raised.value) == (
        "core/Pulumi.acme.yaml: cloudfreedom-core:hostGateway: must be an address of the Docker"
        " host, such as 172.17.0.1"
    )


def test_the_chat_s_address_is_said_in_one_of_two_files(tmp_path: Path) -> None:
    folder, tenants = tmp_path / "core", tmp_path / "tenants"
    folder.mkdir()
    tenants.mkdir()
    (folder / "prod.yaml").write_text(CORE, encoding="utf-8")
    with pytest.raises(InvalidFileError) as refusal:
        loader.load("prod", folder)
    assert str(refusal.value) == (
        "core/prod.yaml:3: tenants.0.chat_url: required, but missing: tenants/ does not have the"
        " tenant"
    )
    file = tenants / "other-name.yaml"
    file.write_text(
        "slug: acme\nname: Acme\nopenwebui: {port: 3002}\nlitellm: {port: 4002}\n", encoding="utf-8"
    )
    [tenant] = loader.load("prod", folder).tenants
    assert str(tenant.chat_url) == "http://127.0.0.1:3002/"
    (folder / "prod.yaml").write_text(CORE + CHAT, encoding="utf-8")
    [tenant] = loader.load("prod", folder).tenants
    assert str(tenant.chat_url) == "https://chat.acme.example/"
