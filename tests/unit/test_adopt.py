"""A deployment of the original template as a tenant's file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.adopt.steps import make_room
from cli.adopt.template import SERVICES, Template, read_template
from cli.adopt.tenant_file import Adopted, adopt_files
from schema.errors import UserError
from tenants.loader import load

VARIABLES = {
    "TENANT_SLUG": "acme",
    "TENANT_NAME": "ACME GmbH",
    "LITELLM_PORT": "4100",
    "OPENWEBUI_PORT": "3100",
    "ENABLE_SIGNUP": "false",
    "OPENAI_API_KEY": "sk-openai",
    "ANTHROPIC_API_KEY": "",
    "GOOGLE_API_KEY": "google",
    "LITELLM_MASTER_KEY": "sk-master",
    "POCKETBASE_URL": "http://pocketbase:8090",
    "BILLING_API_URL": "http://billing.example.com",
    "BILLING_API_KEY": "billing",
}
OPENAI = {"model": "openai/gpt-4o", "api_key": "os.environ/OPENAI_API_KEY"}


def template(folder: Path, *models: dict[str, Any], **changes: Any) -> Template:
    """A template whose LiteLLM has these models."""
    path = folder / "litellm-config.yaml"
    path.write_text(yaml.safe_dump({"model_list": models, "litellm_settings": {"cache": True}}))
    services = {
        "litellm": {
            "command": ["--config", "/app/config.yaml"],
            "volumes": [{"source": str(path), "target": "/app/config.yaml"}],
        },
        "openwebui": {
            "container_name": "acme-openwebui",
            "environment": {"DATABASE_URL": "postgresql://a:b@postgres:5432/cloudfreedom_acme"},
            "volumes": [{"source": "data", "target": "/app/backend/data", "type": "volume"}],
        },
        "postgres": {"container_name": "acme-postgres"},
        "redis": {},
    } | changes.pop("services", {})
    return Template(
        project="old",
        slug="acme",
        variables=VARIABLES | changes,
        services=services,
        volumes={"data": "old_data"},
    )


def model(name: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": params}


def adopted(folder: Path, *models: dict[str, Any], **changes: Any) -> Adopted:
    return adopt_files(template(folder, *models, **changes))


def test_the_file_can_be_used(tmp_path: Path) -> None:
    found = adopted(tmp_path, model("gpt-4o", **OPENAI, rpm=60))
    (tmp_path / "acme.yaml").write_text(yaml.safe_dump(found.file))
    tenant = load("acme", tmp_path, hosts={})
    assert (tenant.name, tenant.openwebui.port, tenant.litellm.port) == ("ACME GmbH", 3100, 4100)
    assert not tenant.openwebui.signup
    [deployment] = tenant.litellm.models[0].deployments
    assert (deployment.model, deployment.requests_per_minute) == ("openai/gpt-4o", 60)
    assert tenant.billing
    assert found.keys == {"providerKeys.openai": "sk-openai", "billingKey": "billing"}


def test_whatever_is_not_taken_over_is_said(tmp_path: Path) -> None:
    everything = model("all", model="openai/*", api_key="os.environ/OPENAI_API_KEY")
    found = adopted(tmp_path, model("gpt-4o", **OPENAI, temperature=0), everything)
    said = "\n".join(found.remarks)
    for thing in (
        "POCKETBASE_URL",
        "LITELLM_MASTER_KEY",
        "model gpt-4o, deployment 1: temperature",
        "model all: left out: must be PROVIDER/MODEL",
        "litellm-config.yaml: litellm_settings.cache",
    ):
        assert thing in said
    assert "sk-" not in said


@pytest.mark.parametrize(
    ("params", "key", "place"),
    [
        pytest.param(OPENAI, None, "openai", id="the provider's own variable"),
        pytest.param(OPENAI | {"api_key": "sk-1"}, None, "openai", id="in the file"),
        pytest.param(OPENAI | {"model": "gpt-4o"}, None, "openai", id="a name alone"),
        pytest.param(
            {"model": "gemini/gemini-2.5-pro", "api_key": "os.environ/GOOGLE_API_KEY"},
            None,
            "gemini",
            id="Google's",
        ),
        pytest.param(
            OPENAI | {"api_key": "os.environ/TEAM_B_API_KEY"}, "team-b", "team-b", id="another"
        ),
        pytest.param(
            {"model": "openai/gpt-4o", "api_base": "http://models.example.com/v1"},
            "none",
            None,
            id="a server that asks for none",
        ),
    ],
)
def test_keys_get_a_name(
    tmp_path: Path, params: dict[str, Any], key: str | None, place: str | None
) -> None:
    litellm = template(tmp_path, model("gpt-4o", **params)).services["litellm"]
    litellm["environment"] = {"TEAM_B_API_KEY": "sk-b"}
    found = adopt_files(
        template(tmp_path, model("gpt-4o", **params), services={"litellm": litellm})
    )
    [deployment] = found.file["litellm"]["models"][0]["deployments"]
    assert deployment.get("key") == key
    places = {each for each in found.keys if each != "billingKey"}
    assert places == ({f"providerKeys.{place}"} if place else set())


@pytest.mark.parametrize("entry", ["a text", {"model_name": "x"}, {"litellm_params": None}])
def test_an_entry_that_is_no_model_is_said(tmp_path: Path, entry: Any) -> None:
    found = adopted(tmp_path, entry, model("gpt-4o", **OPENAI))
    assert "litellm-config.yaml: model_list.0: left out: is no model" in found.remarks
    assert [each["name"] for each in found.file["litellm"]["models"]] == ["gpt-4o"]


def test_two_keys_of_one_provider_stay_two(tmp_path: Path) -> None:
    first, second = (model("gpt-4o", **OPENAI | {"api_key": key}) for key in ("sk-1", "sk-2"))
    found = adopted(tmp_path, first, second)
    assert found.keys["providerKeys.openai"] == "sk-1"
    assert found.keys["providerKeys.openai-2"] == "sk-2"
    deployments = found.file["litellm"]["models"][0]["deployments"]
    assert [each.get("key") for each in deployments] == [None, "openai-2"]


def test_the_old_apps_give_way(tmp_path: Path) -> None:
    lines = make_room(template(tmp_path), Path("/old/.env"), Path("/old/docker-compose.yml"))
    assert "--env-file /old/.env --file /old/docker-compose.yml stop openwebui" in lines[0]
    assert lines[1:] == [
        "docker rename acme-openwebui acme-openwebui.old",
        "docker rename acme-postgres acme-postgres.old",
    ]


def test_data_elsewhere_are_said(tmp_path: Path) -> None:
    here = template(tmp_path)
    assert (here.database, here.chat_volume) == ("cloudfreedom_acme", "old_data")
    there = template(tmp_path, services={"openwebui": {"environment": {"DATA_DIR": "/data"}}})
    with pytest.raises(UserError, match="DATABASE_URL"):
        _ = there.database
    with pytest.raises(UserError, match="nothing is mounted"):
        _ = there.chat_volume


def read(folder: Path, monkeypatch: pytest.MonkeyPatch, volume: str, **options: str) -> Template:
    """Read files of which Compose says this."""
    volumes = {"data": {"name": volume}}
    services: dict[str, Any] = {name: {} for name in SERVICES}
    answers = iter([
        {"services": {"template": {"environment": VARIABLES}}},
        {"name": "old", "services": services, "volumes": volumes},
    ])  # fmt: skip
    monkeypatch.setattr("cli.adopt.template._config", lambda *_: next(answers))
    for name in ("env", "compose"):
        (folder / name).touch()
    return read_template(folder / "env", folder / "compose", **options)


def test_a_volume_that_the_tenant_would_have_needs_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"the volume acme-postgres has the name of .* by --slug"):
        read(tmp_path, monkeypatch, "acme-postgres")
    assert read(tmp_path, monkeypatch, "acme-postgres", slug="acme2").slug == "acme2"
    assert read(tmp_path, monkeypatch, "old_data").slug == "acme"
    with pytest.raises(UserError, match=r"TENANT_SLUG, or --slug, is '\.\./x'"):
        read(tmp_path, monkeypatch, "old_data", slug="../x")
