"""All that a stack has on its Docker host and in Pulumi's state, removed."""

import shutil
from pathlib import Path
from typing import Any

from cli.deployers.deployer import run_tool
from cli.running import RunningStack
from components.labels import TENANT


def remove_from_host(stack: RunningStack) -> None:
    """Delete the containers, networks and volumes of a stack, and the data with them."""
    mine: dict[str, Any] = {"label": f"{TENANT}={stack.slug}"}
    client = stack.client
    for container in client.containers.list(all=True, filters=mine):
        container.remove(force=True)
    for volume in client.volumes.list(filters=mine):
        volume.remove()
    for network in client.networks.list(filters=mine):
        network.remove()


def remove_from_state(name: str, folder: Path) -> None:
    """Delete a stack that has nothing on its host any more, with its secrets and its config.

    Args:
        name: of the stack.
        folder: of the Pulumi project.

    Raises:
        DeployError: Pulumi refuses, such as for a stack that it does not know.
    """
    pulumi = shutil.which("pulumi") or "pulumi"
    run_tool([pulumi, "stack", "rm", "--force", "--yes", name], folder, {})
