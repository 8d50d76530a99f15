"""Brings stacks up with the Pulumi CLI."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from cli.deployers.deployer import Deployer, run_tool
from cli.environment import ROOT
from cli.yaml_io import project_name, read_config, read_yaml, write_yaml
from schema.private_file import write_private


class PulumiDeployer(Deployer):
    """A stack with its state in a local folder, and the project's files left alone.

    Args:
        stack: name of the stack.
        folder: state, passphrase and the stack's config; made if missing, root-only. Its
            file `env` makes `pulumi` work on the stack in a shell. Stacks of several projects
            may share it, and then refer to each other.
        settings: config of the stack that wins over its file.
        keys: secret config of the stack, by path.
        pulumi: the program.
        root: the project.
    """

    def __init__(
        self,
        stack: str,
        *,
        folder: Path,
        settings: Mapping[str, str],
        keys: Mapping[str, str],
        pulumi: Path,
        root: Path = ROOT,
    ) -> None:
        self.stack, self.project = stack, project_name(root)
        self._folder, self._settings, self._keys = folder, settings, keys
        self._pulumi, self._root = pulumi, root

    def apply(self, *, refresh: bool = False) -> None:
        """See `Deployer.apply`."""
        first = ["--refresh"] if refresh else []
        self._run("up", "--yes", "--skip-preview", "--suppress-outputs", *first)

    def down(self) -> None:
        """See `Deployer.down`."""
        self._run("destroy", "--yes", "--skip-preview", "--exclude-protected")

    def outputs(self) -> dict[str, Any]:
        """See `Deployer.outputs`."""
        text = self._run("stack", "output", "--json", "--show-secrets", capture=True)
        outputs: dict[str, Any] = json.loads(text)
        return outputs

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make `pulumi` work on this stack, from any folder."""
        return {
            "PULUMI_BACKEND_URL": f"file://{self._folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self._folder / "passphrase"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    @property
    def directory(self) -> Path:
        """Folder to run `pulumi` in."""
        return self._folder / self.project

    def prepare(self) -> None:
        """Make a project beside the checkout: Pulumi writes into a stack's config file."""
        (self._folder / "state").mkdir(parents=True, exist_ok=True)
        self.directory.mkdir(exist_ok=True)
        self._folder.chmod(0o700)
        passphrase = self._folder / "passphrase"
        if not passphrase.exists():
            write_private(passphrase, os.urandom(32).hex())
        exports = (f"export {name}={quote(value)}\n" for name, value in self.environment.items())
        write_private(self._folder / "env", "".join(exports))
        project = read_yaml(self._root / "Pulumi.yaml")
        project["main"] = str(self._root)
        project["runtime"]["options"]["virtualenv"] = sys.prefix
        write_yaml(self.directory / "Pulumi.yaml", project)
        self._run("stack", "select", "--create", self.stack, capture=True)
        self._configure()

    def _configure(self) -> None:
        name = f"Pulumi.{self.stack}.yaml"
        ours, theirs = read_yaml(self.directory / name), read_yaml(self._root / name)
        settings = {f"{self.project}:{key}": value for key, value in self._settings.items()}
        config = read_config(self._root / name) | settings
        write_yaml(self.directory / name, ours | theirs | {"config": config})
        for path, key in self._keys.items():
            place = ("--path", f"{self.project}:{path}")
            self._run("config", "set", "--secret", *place, capture=True, stdin=key)

    def _run(self, *arguments: str, capture: bool = False, stdin: str | None = None) -> str:
        watched = not capture and sys.stdout.isatty()
        command = [str(self._pulumi), *arguments, *([] if watched else ["--non-interactive"])]
        return run_tool(command, self.directory, self.environment, capture=capture, stdin=stdin)
