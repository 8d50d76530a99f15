"""A private registry with a login: Debian's own, with passwords."""

import json
import secrets
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker import DockerClient

from cli.deployers.pulumi import PulumiDeployer
from images.catalog import load_catalog
from tests.e2e import pulumi_cli
from tests.e2e.conftest import Running
from tests.process import Process
from tests.programs import program

USER, PASSWORD = "deploy", secrets.token_hex(16)


@dataclass(kw_only=True)
class Registry(Process):
    """A registry that lets in one user."""

    def command(self) -> Sequence[str | Path]:
        (self.folder / "config.yml").write_text(json.dumps({
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "images")}},
            "http": {"addr": f"{self.host}:{self.port}"},
            "auth": {"htpasswd": {"realm": "tests", "path": str(self.folder / "users")}},
        }))  # fmt: skip
        users = subprocess.run(
            [program("apache2-utils", "htpasswd"), "-Bbn", USER, PASSWORD],
            check=True,
            capture_output=True,
        ).stdout
        (self.folder / "users").write_bytes(users)
        return [program("docker-registry"), "serve", self.folder / "config.yml"]

    def health(self) -> str:
        return "/"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(folder=tmp_path) as running:
        yield running


@pytest.fixture
def image(engine: DockerClient, registry: Registry) -> str:
    """Redis, in the registry alone."""
    repository, tag = f"{registry.address}/redis", "8.1.9"
    source = engine.images.get(load_catalog("built").running["redis"].reference)
    source.tag(repository, tag)
    login = {"username": USER, "password": PASSWORD}
    assert "error" not in engine.images.push(repository, tag, auth_config=login)
    engine.images.remove(f"{repository}:{tag}")
    return f"{repository}:{tag}"


def log_in(folder: Path, registry: Registry) -> None:
    """What `docker login` writes."""
    token = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config = {"auths": {registry.address: {"auth": token}}}
    (folder / "config.json").write_text(json.dumps(config))


def test_the_clis_login_is_used(
    beta_tenant: Running,
    registry: Registry,
    image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployer = beta_tenant.deployer
    if not isinstance(deployer, PulumiDeployer):
        pytest.skip("Compose uses the CLI's login anyway")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    log_in(tmp_path, registry)
    try:
        beta_tenant.project.write(beta_tenant.tenant, imageOverrides={"redis": image})
        deployer.prepare()
        code, printed = pulumi_cli.attempt(deployer, "up", "--yes", "--skip-preview")
        assert code != 0
        assert "no basic auth credentials" in printed
        beta_tenant.change(imageOverrides={"redis": image}, registries=[registry.address])
        assert image in str(beta_tenant.container("redis").image.tags)  # type: ignore[union-attr]
        state = pulumi_cli.run(deployer, "stack", "export", "--show-secrets")
        assert registry.address in state
        assert PASSWORD not in state
        assert b64encode(f"{USER}:{PASSWORD}".encode()).decode() not in state
    finally:
        beta_tenant.change()
        beta_tenant.engine.images.remove(image, force=True)
