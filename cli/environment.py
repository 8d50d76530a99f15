"""Finds the programs that bring a tenant up: an engine, Pulumi, Compose."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from docker import DockerClient
from docker.errors import DockerException
from pulumi.automation import PulumiCommand

from components.stack_config import LOCAL_DOCKER

ROOT = Path(__file__).parent.parent
CORE = ROOT / "core"
ENGINE = ROOT / "scripts" / "engine"
_ENGINE_FOLDER = Path(os.environ.get("CLOUDFREEDOM_ENGINE_DIR", "/var/lib/cloudfreedom/engine"))


def docker_address() -> str:
    """The Docker host that the machine's own Docker clients use."""
    return os.environ.get("DOCKER_HOST", LOCAL_DOCKER)


def answering_engine() -> DockerClient | None:
    """A client of the machine's Docker engine, if one answers."""
    try:
        client = DockerClient(base_url=docker_address())
        client.ping()
    except DockerException:
        return None
    return client


def host_gateway(client: DockerClient) -> str:
    """The Docker host's address for its containers: what `host-gateway` stands for."""
    return str(client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"])


def engine_is_ours() -> bool:
    """Whether `scripts/engine` runs the machine's engine."""
    return (_ENGINE_FOLDER / "pid").exists()


def pulumi_program(folder: Path) -> Path | None:
    """The Pulumi CLI of the machine, else of `folder`, where it is put if it can be had.

    The one that is put there matches the SDK; a machine that has one is left as it is.
    """
    found = shutil.which("pulumi")
    if found:
        return Path(found)
    try:
        PulumiCommand.install(root=str(folder))
    except (OSError, RuntimeError, ValueError):
        return None
    return folder / "bin" / "pulumi"


def compose_command() -> Sequence[str] | None:
    """Docker Compose, as a plugin of the Docker CLI or on its own."""
    own = _ENGINE_FOLDER / "bin" / "docker-compose"
    for command in (["docker", "compose"], ["docker-compose"], [str(own)]):
        if shutil.which(command[0]) and _works([*command, "version"]):
            return command
    return None


def shown_compose() -> str:
    """Docker Compose as a person calls it here."""
    return " ".join(compose_command() or ["docker", "compose"])


def _works(command: Sequence[str]) -> bool:
    finished = subprocess.run(command, check=False, capture_output=True)
    return finished.returncode == 0
