"""The end of a customer: their data are handed over, and nothing of them stays."""

import json
import os
import secrets
import tarfile
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from cli.deployers.pulumi import PulumiDeployer
from cli.environment import docker_address
from cli.offboard.steps import Offboarding
from cli.running import RunningStack
from components.labels import TENANT
from tests.e2e import pulumi_cli, toolchains
from tests.e2e.conftest import Running
from tests.e2e.host_folder import host_folder, in_folder
from tests.e2e.project import Project, free_ports
from tests.e2e.tenants import beta
from tests.e2e.waiting import until
from tests.e2e.webui import Login, Session


def test_nothing_is_left(
    engine: DockerClient,
    project: Project,
    toolchain_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slug, (chat, api) = f"e{secrets.token_hex(3)}", free_ports(2)
    file = beta(slug, chat=chat, api=api)
    with host_folder(engine) as repository:
        project.write(file, backup={"repository": repository})
        deployer = project.deployer(toolchains.available()[toolchain_name], slug)
        deployer.up()
        tenant = Running(project, deployer, file, engine)
        person = Login.new()
        session = Session.new(tenant, person)
        session.keep("a last chat")
        until(lambda: in_folder(engine, repository, "ls snapshots"), seconds=120)

        pulumi = isinstance(deployer, PulumiDeployer)
        if isinstance(deployer, PulumiDeployer):
            for name, value in deployer.environment.items():
                monkeypatch.setenv(name, value)
            programs = Path(pulumi_cli.program()).parent
            monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        folder, exported = tmp_path / "export", project.root / "stacks" / slug / "cloudfreedom"
        end = Offboarding(
            name=slug,
            stack=RunningStack(docker_address(), slug),
            root=project.root,
            export=folder,
            core=None,
            backups=True,
            state=pulumi,
            exported=None if pulumi else exported,
        )
        for step in [*end.steps()]:
            print(step.title)
            step.act()

        chats = [json.loads(line) for line in (folder / "chats.jsonl").read_text().splitlines()]
        assert [(each["email"], each["title"]) for each in chats] == [(person.email, "a last chat")]
        accounts = (folder / "accounts.jsonl").read_text()
        assert person.email in accounts
        assert (folder / "openwebui.dump").read_bytes().startswith(b"PGDMP")
        with tarfile.open(folder / "files.tar") as tar:
            assert "data/uploads" in tar.getnames()
        assert folder.stat().st_mode & 0o077 == 0

        assert not in_folder(engine, repository, "ls snapshots").strip()
    mine: dict[str, Any] = {"label": f"{TENANT}={slug}"}
    assert not engine.containers.list(all=True, filters=mine)
    assert not engine.volumes.list(filters=mine)
    assert not engine.networks.list(filters=mine)
    assert not (project.root / "tenants" / f"{slug}.yaml").exists()
    assert not (project.root / f"Pulumi.{slug}.yaml").exists()
    if not isinstance(deployer, PulumiDeployer):
        assert list(exported.iterdir()) == []
    if isinstance(deployer, PulumiDeployer):
        assert slug not in pulumi_cli.run(deployer, "stack", "ls")
