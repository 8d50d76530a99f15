"""What this machine has to bring tenants up with; it is made ready here, once."""

import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from docker import DockerClient

from images.build import build_missing
from images.catalog import load_catalog
from ops.keys import given_keys
from ops.tools import (
    ENGINE,
    ROOT,
    answering_engine,
    compose_command,
    docker_address,
    pulumi_program,
)
from ops.way import ComposeWay, PulumiWay, Way

MakeWay = Callable[..., Way]

SETTINGS: Mapping[str, str] = {"images": "built", "dockerHost": docker_address()}


@cache
def engine() -> DockerClient | None:
    """A client of the machine's engine; one is set up where that can be done."""
    if answering_engine() is None:
        subprocess.run([ENGINE, "start"], check=False)
    return answering_engine()


@cache
def available() -> dict[str, MakeWay]:
    """How to make each way that works here, by its name."""
    if engine() is None:
        return {}
    ways: dict[str, MakeWay] = {}
    if pulumi := pulumi_program(ROOT / ".cloudfreedom" / "pulumi-cli"):

        def with_pulumi(stack: str, root: Path) -> Way:
            return PulumiWay(
                stack,
                folder=root / "pulumi" / stack,
                settings=SETTINGS,
                keys=given_keys(),
                pulumi=pulumi,
                root=root,
            )

        ways["pulumi"] = with_pulumi
    if compose := compose_command():

        def with_compose(stack: str, root: Path) -> Way:
            return ComposeWay(
                stack,
                folder=root / "compose" / stack,
                settings=SETTINGS,
                keys=given_keys(),
                compose=compose,
                root=root,
            )

        ways["compose"] = with_compose
    return ways


def build_images() -> None:
    """Have the images that the tests run."""
    client = engine()
    assert client
    build_missing(client, load_catalog("built"), print)
