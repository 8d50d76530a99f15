"""All that a stack has on its Docker host and in Pulumi's state, removed."""

import shutil
from pathlib import Path
from typing import Any

from cli.deployers.deployer import DeployError, run_tool
from cli.running import RunningStack
from components.labels import TENANT

_UNKNOWN = "no stack named"


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
        name: of the stack; one that Pulumi does not know is gone already.
        folder: of the Pulumi project.

    Raises:
        DeployError: Pulumi refuses.
    """
    pulumi = shutil.which("pulumi") or "pulumi"
    try:
        run_tool([pulumi, "stack", "rm", "--force", "--yes", name], folder, {}, capture=True)
    except DeployError as error:
        if _UNKNOWN not in str(error):
            raise
