"""Brings stacks up with Docker Compose."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from docker import DockerClient

from cli.deployers.deployer import Deployer, DeployError, run_tool
from cli.environment import ROOT, docker_address
from cli.export.export import Exported, export
from cli.yaml_io import project_name, read_yaml
from components.docker.recovery import not_ready


class ComposeDeployer(Deployer):
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
        self.stack, self.project = stack, project_name(root)
        self._folder, self._settings, self._keys = folder, settings, keys
        self._compose, self._root = compose, root

    def prepare(self) -> None:
        """See `Deployer.prepare`."""
        self._exported = export(
            self.stack,
            root=self._root,
            folder=self._folder,
            settings=self._settings,
            keys=self._keys,
        )

    def apply(self, *, refresh: bool = False) -> None:  # noqa: ARG002 - Compose always looks
        """See `Deployer.apply`."""
        timeout = str(self._exported.wait_seconds)
        try:
            self._run("up", "--detach", "--wait", "--wait-timeout", timeout, "--remove-orphans")
        except DeployError as error:
            raise DeployError("\n".join([str(error), *self._reasons()])) from None

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
        """See `Deployer.down`."""
        self._run("down")

    def outputs(self) -> dict[str, Any]:
        """See `Deployer.outputs`."""
        text = (self._folder / "outputs.json").read_text(encoding="utf-8")
        outputs: dict[str, Any] = json.loads(text)
        return outputs

    def _run(self, *arguments: str) -> None:
        run_tool([*self._compose, *arguments], self._folder, {})
