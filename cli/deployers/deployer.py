"""The interface of whatever brings stacks up."""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schema.errors import UserError


class DeployError(UserError):
    """Something could not be brought up or down; the tool that tried has said why."""


class Deployer(ABC):
    """A way to bring a tenant or a core up and down, and to read its addresses and keys.

    Attributes:
        stack: name of its stack.
        project: name of its Pulumi project.
    """

    stack: str
    project: str

    def up(self, *, refresh: bool = False) -> None:
        """Bring it to what its file says; returns when all of it is ready.

        Args:
            refresh: look at what is there first, so that what was stopped or removed comes back.
        """
        self.prepare()
        self.apply(refresh=refresh)

    @abstractmethod
    def prepare(self) -> None:
        """Make what `apply` works from; nothing is changed yet.

        Raises:
            UserError: an export found the file or the config unusable.
        """

    @abstractmethod
    def apply(self, *, refresh: bool = False) -> None:
        """Bring it to what was prepared; returns when all of it is ready.

        Args:
            refresh: see `up`.

        Raises:
            DeployError: it did not work.
        """

    @abstractmethod
    def down(self) -> None:
        """Remove containers and networks; volumes and lasting secrets stay."""

    @abstractmethod
    def outputs(self) -> dict[str, Any]:
        """The exported addresses, logins and keys, secrets in plain text."""


def run_tool(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    capture: bool = False,
    stdin: str | None = None,
) -> str:
    """Run a tool; what it prints goes to the person, or is returned.

    Raises:
        DeployError: it failed.
    """
    finished = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | dict(environment),
        check=False,
        text=True,
        input=stdin,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.PIPE if capture else None,
    )
    if finished.returncode:
        said = f": {finished.stderr.strip()}" if capture else "; it says why above"
        raise DeployError(f"`{Path(command[0]).name} {command[1]}` failed{said}")
    return finished.stdout or ""
