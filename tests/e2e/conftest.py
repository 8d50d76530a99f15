"""Real tenants on a real engine, brought up each way that this machine has."""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from docker import DockerClient
from docker.models.containers import Container

from cli.deployers.deployer import Deployer
from cli.environment import ROOT, host_gateway
from components.labels import TENANT
from images.catalog import load_catalog
from tests.billing import contract
from tests.billing.client import BillingProcess
from tests.e2e import toolchains
from tests.e2e.project import Project, free_ports
from tests.e2e.tenants import alpha, beta, gamma
from tests.e2e.threads import apart
from tests.providers.client import Providers

if TYPE_CHECKING:
    from tests.e2e.money import Money

SERVER = ROOT / "tests" / "providers" / "server.py"

# The program that `pulumi` runs lies in the tests' own project and imports ours from here.
os.environ["PYTHONPATH"] = str(ROOT)
os.environ["CLOUDFREEDOM_BILLING_KEY"] = secrets.token_hex(16)
os.environ["CLOUDFREEDOM_LOGIN_SECRET"] = secrets.token_hex(16)
for name in ("OPENAI", "ANTHROPIC", "GEMINI"):
    os.environ[f"CLOUDFREEDOM_PROVIDER_KEY_{name}"] = f"key-{secrets.token_hex(16)}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "toolchain_name" in metafunc.fixturenames:
        missing = pytest.mark.skip(reason="no Docker engine answers, and none can be set up here")
        names: list[Any] = [*toolchains.available()] or [pytest.param("none", marks=missing)]
        metafunc.parametrize("toolchain_name", names, scope="session")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    names = " and ".join(toolchains.available()) or "no deployer: there is no Docker engine"
    terminalreporter.write_line(f"end to end on {names}")


@pytest.fixture(scope="session")
def on_one_way(toolchain_name: str) -> None:
    """For what looks into containers, which are the same on every deployer."""
    if toolchain_name != list(toolchains.available())[-1]:
        pytest.skip("the containers are the same on every way")


@dataclass(frozen=True)
class Running:
    """A tenant that is up."""

    project: Project
    deployer: Deployer
    tenant: dict[str, Any]
    engine: DockerClient

    @property
    def slug(self) -> str:
        return str(self.tenant["slug"])

    @property
    def address(self) -> str:
        """Where both ports are."""
        return str(self.tenant.get("bind", "127.0.0.1"))

    @property
    def chat(self) -> str:
        """Address of Open WebUI."""
        return f"http://{self.address}:{self.tenant['openwebui']['port']}"

    @property
    def api(self) -> str:
        """Address of LiteLLM."""
        return f"http://{self.address}:{self.tenant['litellm']['port']}"

    @property
    def key(self) -> str:
        """LiteLLM's master key."""
        return str(self.deployer.outputs()["litellm_master_key"])

    def change(self, tenant: dict[str, Any] | None = None, **config: Any) -> None:
        """Write the tenant's file with changes, and config of its stack, and bring it up."""
        self.project.write(self.tenant | (tenant or {}), **config)
        apart(self.deployer.up)

    def container(self, part: str) -> Container:
        return self.engine.containers.get(f"{self.slug}-{part}")

    def container_ids(self) -> list[str | None]:
        """Of all its containers, whatever else is on the host."""
        mine: dict[str, Any] = {"label": f"{TENANT}={self.slug}"}
        return [each.id for each in self.engine.containers.list(all=True, filters=mine)]

    def run(self, part: str, *command: str, user: str = "") -> tuple[int, str]:
        """Run a command inside a container: its exit code, and what it printed."""
        code, output = self.container(part).exec_run(list(command), user=user)
        assert isinstance(output, bytes)
        return code or 0, output.decode(errors="replace")

    def log(self, part: str, **options: Any) -> str:
        """What a container has printed; `options` are docker-py's."""
        printed = self.container(part).logs(**options)
        assert isinstance(printed, bytes)
        return printed.decode(errors="replace")


@dataclass(frozen=True)
class Pair:
    """Two tenants on one host: `alpha` has providers, `beta` the demonstration model."""

    alpha: Running
    beta: Running


@pytest.fixture(scope="session")
def engine() -> DockerClient:
    client = toolchains.engine()
    assert client
    toolchains.build_images()
    return client


@pytest.fixture(scope="session")
def bridge(engine: DockerClient) -> str:
    """The address where containers reach what the host offers, and nobody else does."""
    return host_gateway(engine)


@pytest.fixture(scope="session")
def providers(engine: DockerClient, bridge: str) -> Iterator[Providers]:
    """Model providers on the host."""
    with provider_container(engine, bridge) as running:
        yield running


@contextmanager
def provider_container(engine: DockerClient, bridge: str) -> Iterator[Providers]:
    [port] = free_ports(1, address=bridge)
    container = engine.containers.run(
        load_catalog("built").running["litellm"].reference,
        [
            *("python3", "-c", SERVER.read_text(encoding="utf-8")),
            *("--host", "0.0.0.0", "--port", str(port)),
        ],
        ports={f"{port}/tcp": (bridge, port)},
        user="65534:65534",
        detach=True,
    )
    try:
        yield Providers(f"http://{bridge}:{port}")
    finally:
        container.remove(force=True)


@pytest.fixture(scope="session")
def billing_process(
    bridge: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BillingProcess]:
    """A Billing API on the host."""
    [port] = free_ports(1, address=bridge)
    folder, key = tmp_path_factory.mktemp("billing"), os.environ["CLOUDFREEDOM_BILLING_KEY"]
    with BillingProcess(folder=folder, key=key, host=bridge, port=port) as process:
        yield process


@pytest.fixture(scope="session")
def project(toolchain_name: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.new(tmp_path_factory.mktemp(toolchain_name) / "project")


@pytest.fixture(scope="session")
def alpha_tenant(
    engine: DockerClient, providers: Providers, toolchain_name: str, project: Project
) -> Iterator[Running]:
    """The tenant that has providers."""
    chat, api, *metrics = free_ports(4)
    slug = f"a{secrets.token_hex(3)}"
    file = alpha(slug, chat=chat, api=api, metrics=metrics, providers=providers)
    with running(engine, project, toolchain_name, [file]) as up:
        yield up[0]


@pytest.fixture(scope="session")
def beta_tenant(engine: DockerClient, toolchain_name: str, project: Project) -> Iterator[Running]:
    """The tenant that has the demonstration model."""
    chat, api = free_ports(2)
    file = beta(f"b{secrets.token_hex(3)}", chat=chat, api=api)
    with running(engine, project, toolchain_name, [file]) as up:
        yield up[0]


@pytest.fixture(scope="session")
def tenants(alpha_tenant: Running, beta_tenant: Running) -> Pair:
    return Pair(alpha_tenant, beta_tenant)


@pytest.fixture(scope="session")
def gamma_tenant(
    engine: DockerClient,
    providers: Providers,
    billing_process: BillingProcess,
    toolchain_name: str,
    project: Project,
) -> Iterator[Running]:
    """The tenant with budgets."""
    chat, api = free_ports(2)
    file = gamma(
        f"g{secrets.token_hex(3)}",
        chat=chat,
        api=api,
        providers=providers,
        billing=billing_process.billing,
    )
    with running(engine, project, toolchain_name, [file]) as up:
        yield up[0]


@pytest.fixture
def money(
    gamma_tenant: Running, billing_process: BillingProcess, providers: Providers
) -> "Iterator[Money]":
    """The tenant with budgets; whatever it tells its Billing API follows the contract."""
    from tests.e2e.money import Money  # noqa: PLC0415 - which imports this module

    providers.reset()
    billing = billing_process.billing
    yield Money(gamma_tenant, billing, providers)
    for sent in billing.requests().bodies:
        contract.check_request("POST", sent.path, sent.body)


@contextmanager
def running(
    engine: DockerClient,
    project: Project,
    toolchain_name: str,
    files: list[dict[str, Any]],
    **config: Any,
) -> Iterator[list[Running]]:
    for file in files:
        project.write(file, **config)
    tool = toolchains.available()[toolchain_name]
    tenants = [
        Running(project, project.deployer(tool, file["slug"]), file, engine) for file in files
    ]
    with ExitStack() as up:
        for tenant in tenants:
            up.callback(remove, tenant)
            apart(tenant.deployer.up)
        yield tenants


def remove(tenant: Running) -> None:
    """Take a tenant down, and its data with it."""
    tenant.deployer.down()
    for volume in tenant.engine.volumes.list(filters={"label": f"{TENANT}={tenant.slug}"}):
        volume.remove()
