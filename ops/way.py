"""The two ways to bring a tenant or a core up: Pulumi, and an exported Compose project."""

import json
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from docker import DockerClient

from components.docker.recovery import not_ready
from ops.export import Exported, as_handed_over, export
from ops.tools import ROOT, docker_address
from ops.yaml_io import read_config, read_yaml, write_yaml
from schema.errors import UserError
from schema.private_file import write_private


class WayError(UserError):
    """Something could not be brought up or down; the tool that tried has said why."""


class Way(ABC):
    """How a tenant or a core comes up, goes down, and tells its addresses and keys.

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
            pulumi.RunError: an export found the file or the config unusable.
        """

    @abstractmethod
    def apply(self, *, refresh: bool = False) -> None:
        """Bring it to what was prepared; returns when all of it is ready.

        Args:
            refresh: see `up`.

        Raises:
            WayError: it did not work.
        """

    @abstractmethod
    def down(self) -> None:
        """Remove containers and networks; volumes and lasting secrets stay."""

    @abstractmethod
    def outputs(self) -> dict[str, Any]:
        """The exported addresses, logins and keys, secrets in plain text."""


class PulumiWay(Way):
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
        self.stack, self.project = stack, _project(root)
        self._folder, self._settings, self._keys = folder, settings, keys
        self._pulumi, self._root = pulumi, root

    def apply(self, *, refresh: bool = False) -> None:
        """See `Way.apply`."""
        first = ["--refresh"] if refresh else []
        self._run("up", "--yes", "--skip-preview", "--suppress-outputs", *first)

    def down(self) -> None:
        """See `Way.down`."""
        self._run("destroy", "--yes", "--skip-preview", "--exclude-protected")

    def outputs(self) -> dict[str, Any]:
        """See `Way.outputs`."""
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
        return _run(command, self.directory, self.environment, capture=capture, stdin=stdin)


class ComposeWay(Way):
    """A Compose project that is exported anew each time.

    Args:
        stack: name of the tenant's file.
        folder: the Compose project; made if missing.
        settings: config of the stack that wins over its file.
        keys: secret config of the stack, by path.
        compose: the command, such as `docker compose`.
        root: the project.
    """

    _exported: Exported

    def __init__(
        self,
        stack: str,
        *,
        folder: Path,
        settings: Mapping[str, str],
        keys: Mapping[str, str],
        compose: Sequence[str],
        root: Path = ROOT,
    ) -> None:
        self.stack, self.project = stack, _project(root)
        self._folder, self._settings, self._keys = folder, settings, keys
        self._compose, self._root = compose, root

    def prepare(self) -> None:
        """See `Way.prepare`."""
        self._exported = export(
            self.stack,
            root=self._root,
            folder=self._folder,
            settings=self._settings,
            keys=self._keys,
        )

    def apply(self, *, refresh: bool = False) -> None:  # noqa: ARG002 - Compose always looks
        """See `Way.apply`."""
        timeout = str(self._exported.wait_seconds)
        try:
            self._run("up", "--detach", "--wait", "--wait-timeout", timeout, "--remove-orphans")
        except WayError as error:
            raise WayError("\n".join([str(error), *self._reasons()])) from None

    def _reasons(self) -> Iterator[str]:
        """Says what Compose does not: which image is missing, what a container printed last."""
        services = read_yaml(self._folder / "compose.yaml")["services"]
        with closing(DockerClient(base_url=docker_address())) as client:
            for service in services.values():
                name, image = service["container_name"], service["image"]
                if not client.images.list(name=image):
                    yield f"{name}: the image {image} is not on the host and cannot be fetched"
                for container in client.containers.list(filters={"name": f"^/{name}$"}):
                    if container.health in ("starting", "unhealthy"):
                        yield not_ready(docker_address(), name)

    def down(self) -> None:
        """See `Way.down`."""
        self._run("down")

    def outputs(self) -> dict[str, Any]:
        """See `Way.outputs`."""
        text = (self._folder / "outputs.json").read_text(encoding="utf-8")
        outputs: dict[str, Any] = json.loads(text)
        return outputs

    def _run(self, *arguments: str) -> None:
        _run([*self._compose, *arguments], self._folder, {})


@dataclass(frozen=True)
class Tool:
    """What brings stacks up on a machine: Pulumi's CLI, or else Docker Compose."""

    pulumi: Path | None = None
    compose: Sequence[str] = ()

    def way(
        self,
        stack: str,
        *,
        root: Path,
        folder: Path,
        settings: Mapping[str, str],
        keys: Mapping[str, str],
    ) -> Way:
        """How this tool brings a stack up; see the two ways for the arguments."""
        if self.pulumi:
            return PulumiWay(
                stack, folder=folder, settings=settings, keys=keys, pulumi=self.pulumi, root=root
            )
        return ComposeWay(
            stack,
            folder=folder / _project(root),
            settings=settings,
            keys=keys,
            compose=self.compose,
            root=root,
        )

    def joined(self, slug: str, core: Way) -> tuple[dict[str, str], dict[str, str]]:
        """Settings and keys of a tenant's stack that give it what a core has made for it.

        Under Pulumi the stack refers to the core's, which is in the same folder.
        """
        if self.pulumi:
            return {"core": f"organization/{core.project}/{core.stack}"}, {}
        made = core.outputs()["tenants"][slug]
        settings = {"currency": made.get("currency"), "usdRate": made.get("usd_rate")}
        return (
            {key: as_handed_over(value) for key, value in settings.items() if value},
            {"billingKey": made["billing_key"], "loginSecret": made["login_secret"]},
        )


def _project(root: Path) -> str:
    return str(read_yaml(root / "Pulumi.yaml")["name"])


def _run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    capture: bool = False,
    stdin: str | None = None,
) -> str:
    """Run a tool; what it prints goes to the person, or is returned."""
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
        raise WayError(f"`{Path(command[0]).name} {command[1]}` failed{said}")
    return finished.stdout or ""
