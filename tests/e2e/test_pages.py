"""A newcomer on a clean clone follows the pages from top to bottom."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from docker import DockerClient

from cli.environment import ROOT, compose_command, pulumi_program
from components.labels import TENANT
from tests.e2e import toolchains
from tests.e2e.host_folder import ON_HOST, in_folder
from tests.pages import blocks

FOLLOWED = ("first-tenant", "backup", "drift", "two-ways-up", "operation")
SLUG = "acme"
REPOSITORY = "/srv/backups/acme"


@dataclass
class Newcomer:
    """Somebody with a clone, and what they have typed so far."""

    clone: Path
    environment: dict[str, str]
    did: list[str] = field(default_factory=list)

    def follow(self, page: str) -> None:
        """Write the files and run the commands of a page."""
        for block in blocks(ROOT / "docs" / f"{page}.md"):
            if block.mark == "file":
                (self.clone / block.more).write_text(block.text, encoding="utf-8")
            elif block.mark == "run":
                self.run(block.text, block.place)

    def run(self, text: str, place: str) -> None:
        self.did.append(place)
        finished = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here(text)],
            cwd=self.clone,
            env=self.environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert finished.returncode == 0, f"{place}:\n{text}\n{finished.stdout}"

    def password(self) -> str:
        """The first admin's, if there is a stack."""
        show = "pulumi stack output openwebui_admin_password --show-secrets"
        told = subprocess.run(
            show.split(), cwd=self.clone, env=self.environment, check=False, text=True,
            capture_output=True,
        )  # fmt: skip
        return told.stdout

    def _here(self, text: str) -> str:
        """The same commands, where nothing outside of the clone is written to."""
        compose = " ".join(compose_command() or ["docker", "compose"])
        here = {
            REPOSITORY: f"{ON_HOST}/acme",
            "/srv/acme": str(self.clone / "export"),
            "docker compose": compose,
        }
        for words, others in here.items():
            text = text.replace(words, others)
        return text


@pytest.fixture
def newcomer(engine: DockerClient, tmp_path: Path) -> Iterator[Newcomer]:
    pulumi = pulumi_program(ROOT / ".cloudfreedom" / "pulumi-cli")
    if not pulumi or "compose" not in toolchains.available():
        pytest.skip("the pages need Pulumi's CLI and Compose")
    clone, state = tmp_path / "clone", tmp_path / "state"
    state.mkdir()
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    (clone / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        (clone / ".venv" / path.name).symlink_to(path)
    (tmp_path / "passphrase").write_text("a passphrase", encoding="utf-8")
    environment = {
        "PATH": f"{pulumi.parent}:{os.environ['PATH']}",
        # The environment of the tests belongs to this checkout.
        "PYTHONPATH": str(clone),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
        "PULUMI_SKIP_CONFIRMATIONS": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    in_folder(engine, ON_HOST, "mkdir -p acme")
    yield Newcomer(clone, {**os.environ, **environment})
    in_folder(engine, ON_HOST, "rm -r acme")
    label: dict[str, str | list[str] | bool] = {"label": f"{TENANT}={SLUG}"}
    for container in engine.containers.list(all=True, filters=label):
        container.remove(force=True)
    for network in engine.networks.list(filters=label):
        network.remove()
    for volume in engine.volumes.list(filters=label):
        volume.remove()


def test_the_pages_lead_from_nothing_to_a_tenant_and_back_to_nothing(
    newcomer: Newcomer, engine: DockerClient
) -> None:
    for page in FOLLOWED:
        before = newcomer.password()
        newcomer.follow(page)
        if page != FOLLOWED[-1] and before:
            assert newcomer.password() == before, page
    assert len(newcomer.did) > 8
    label: dict[str, str | list[str] | bool] = {"label": f"{TENANT}={SLUG}"}
    assert engine.containers.list(all=True, filters=label) == []
    assert engine.volumes.list(filters=label) == []
    status = ["git", "status", "--porcelain"]
    changed = subprocess.run(status, cwd=newcomer.clone, check=True, text=True, capture_output=True)
    assert changed.stdout.split() == ["??", "export/"]
