"""What this machine has to bring tenants up with; it is made ready here, once."""

import subprocess
from collections.abc import Mapping
from functools import cache

from docker import DockerClient

from cli.deployers.toolchain import Toolchain
from cli.environment import (
    ENGINE,
    ROOT,
    answering_engine,
    compose_command,
    docker_address,
    pulumi_program,
)
from images.build import build_missing
from images.catalog import load_catalog

SETTINGS: Mapping[str, str] = {"images": "built", "dockerHost": docker_address()}


@cache
def engine() -> DockerClient | None:
    """A client of the machine's engine; one is set up where that can be done."""
    if answering_engine() is None:
        subprocess.run([ENGINE, "start"], check=False)
    return answering_engine()


@cache
def available() -> dict[str, Toolchain]:
    """What works here, by the name of its deployer."""
    if engine() is None:
        return {}
    tools: dict[str, Toolchain] = {}
    if pulumi := pulumi_program(ROOT / ".cloudfreedom" / "pulumi-cli"):
        tools["pulumi"] = Toolchain(pulumi)
    if compose := compose_command():
        tools["compose"] = Toolchain(compose=compose)
    return tools


def build_images() -> None:
    """Have the images that the tests run."""
    client = engine()
    assert client
    build_missing(client, load_catalog("built"), print)
