"""A stack in Pulumi's state, removed."""

import shutil
from pathlib import Path

from cli.deployers.deployer import DeployError, run_tool

_UNKNOWN = "no stack named"


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
