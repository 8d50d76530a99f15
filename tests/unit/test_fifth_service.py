"""The seam is one: another service is a module, a section of the file and an image, and no more."""

import json
import sys
from dataclasses import replace
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from cli.export.recording import CONTAINER, record
from components.compose.project import compose_project
from components.docker.preflight import claims_of
from components.docker.stack import DockerStack
from components.services.accounts import DatabaseRole, ValkeyUser
from components.services.backup import StackFiles
from components.spec import (
    DATA,
    Deployment,
    Healthcheck,
    PublishedPort,
    SecretRef,
    ServiceSpec,
    Storage,
)
from components.stack_config import StackConfig
from components.tenant import tenant_spec
from images.catalog import Image, load_catalog
from schema.types import Resources
from tenants.model import Tenant
from tests.unit.conftest import ACME, load_acme, stable_secrets, stable_value


class TenantWithSearch(Tenant):
    """A tenant whose file may have one more section."""

    search: Resources | None = None


ROLE = DatabaseRole(name="search", member_of=["pg_monitor"])
USER = ValkeyUser(name="search", rules="+ping")


def service(tenant: TenantWithSearch, _: StackConfig, image: Image) -> ServiceSpec:
    assert tenant.search
    return ServiceSpec(
        name="search",
        image=image,
        user=1000,
        command=["search"],
        resources=tenant.search,
        networks=[DATA],
        healthcheck=Healthcheck(command="true"),
        after=["postgres"],
        secret_env={"DATABASE": ROLE.url("postgresql"), "STORE": USER.url(database=0)},
        storage=Storage(path="/data"),
        ports=[PublishedPort(address="127.0.0.1", host_port=5002, port=80)],
    )


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Deployment:
    module = ModuleType("components.services.search")
    for name, value in (
        ("service", service),
        ("DATABASE_ROLES", [ROLE]),
        ("VALKEY_USERS", [USER]),
    ):
        monkeypatch.setattr(module, name, value, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    acme = load_acme(tmp_path, ACME)
    search = Resources(memory_mb=256, cpus=Decimal(1))
    tenant = TenantWithSearch.model_construct(**dict(acme), search=search)
    images = load_catalog("built").running
    one = images["redis"].model_copy(update={"reference": "search:1"})
    files = StackFiles(project="cloudfreedom", stack="acme", file=ACME, config={})
    spec = tenant_spec(tenant, {**images, "search": one}, StackConfig(), files)
    return Deployment(spec=spec, given={}, docker_host="unix:///run/docker.sock", registries=[])


def test_it_runs_under_pulumi(deployment: Deployment) -> None:
    recording = record(
        "acme",
        project="tests",
        config={},
        secret_keys=[],
        value=stable_value,
        program=lambda: DockerStack(deployment=deployment),
    )
    [container] = [c for c in recording.of_type(CONTAINER) if c.name == "acme-search"]
    assert container.inputs["image"] == "search:1"
    assert any(urn.endswith("::acme-postgres") for urn in container.depends_on)


def test_it_runs_under_compose(deployment: Deployment) -> None:
    file = compose_project("acme", deployment.spec, stable_secrets(deployment)).file
    assert file["services"]["search"]["depends_on"] == {
        "postgres": {"condition": "service_healthy"}
    }
    assert "acme-search" in file["volumes"]


def test_what_it_has_on_the_host_is_looked_at_before_an_up(deployment: Deployment) -> None:
    claims = claims_of(deployment.spec)
    assert "acme-search" in claims.containers
    assert "acme-search" in claims.volumes
    assert ("127.0.0.1", 5002) in claims.ports


def test_its_accounts_are_made(deployment: Deployment) -> None:
    services = {each.name: each for each in deployment.spec.services}
    secrets = {each.name for each in deployment.spec.secrets}
    assert {"search-database", "redis-search"} <= secrets
    files = services["postgres"].files
    assert "host postgres search samenet" in files["/etc/cloudfreedom/postgres/pg_hba.conf"]
    [role] = [
        role
        for role in json.loads(files["/etc/cloudfreedom/postgres/roles.json"])
        if role["name"] == "search"
    ]
    assert role == {
        "name": "search",
        "owns_database": False,
        "visits": False,
        "member_of": ["pg_monitor"],
    }
    assert services["postgres"].secret_files["search-database"] == SecretRef("search-database")
    values = dict.fromkeys(secrets, "?") | {"redis-search": "5ecret"}
    users = services["redis"].secret_files["users.conf"].render(values)
    assert "user search on >5ecret resetchannels +ping\n" in users


def test_without_its_section_it_is_not_there(deployment: Deployment) -> None:
    names = [each.name for each in deployment.spec.services]
    assert names.index("postgres") < names.index("search")
    assert len(names) == 5
    assert replace(deployment).spec.stores == [
        each.name for each in deployment.spec.services if each.storage
    ]
