"""A container that runs one command of `backup/` and is gone."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.types import Mount

from components.services.backup import FILES
from components.services.backup import NAME as BACKUP
from components.spec import START
from images.build import build_missing
from images.catalog import ImageSource, load_catalog
from schema.errors import UserError

ENVIRONMENT = (f"PYTHONPATH={FILES}", "PYTHONDONTWRITEBYTECODE=1")
"""Settings of a container that has the program and nothing of a stack."""


def backup_image(client: DockerClient, images: ImageSource) -> str:
    """The backup's image, which is built if it is missing."""
    catalog = load_catalog(images)
    image = catalog.running[BACKUP]
    build_missing(client, catalog.model_copy(update={"running": {BACKUP: image}}), print)
    return image.reference


@dataclass(frozen=True, kw_only=True)
class OneOff:
    """A container of the backup's image, as root without what root may do to others.

    Attributes:
        client: of its Docker host.
        image: that it runs.
        name: of the container.
        archives: tar files by the folder that they are unpacked in: program, plan, secrets.
        mounts: volumes and folders.
        network: by name; `none` is no network, `container:ID` that of another container.
        capabilities: all that it has of root's.
        labels: of the container.
        environment: plain settings.
    """

    client: DockerClient
    image: str
    name: str
    archives: Mapping[str, bytes]
    mounts: Sequence[Mount]
    network: str
    capabilities: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Sequence[str] = ()

    def run(self, *command: str) -> str:
        """Output of a command; its messages are shown as they come.

        Raises:
            UserError: it failed; with what it said last.
        """
        try:
            with self._container(command) as container:
                return self._output(container, command[0])
        except APIError as error:
            raise UserError(f"{self.name}: {error.explanation or error}") from None

    def _output(self, container: Container, command: str) -> str:
        container.start()
        last = ""
        for line in container.logs(stdout=False, stderr=True, stream=True, follow=True):
            sys.stderr.write(last)
            last = line.decode(errors="replace")
        if container.wait()["StatusCode"]:
            raise UserError(last.strip() or f"`{command}` failed and does not say why")
        sys.stderr.write(last)
        printed: bytes = container.logs(stdout=True, stderr=False)
        return printed.decode()

    @contextmanager
    def _container(self, command: Sequence[str]) -> Iterator[Container]:
        self._remove()  # of a run that was killed
        container = self.client.containers.create(
            self.image,
            ["--", "python3", "-m", "backup", *command],
            name=self.name,
            labels=dict(self.labels),
            entrypoint=["/bin/sh", START],
            environment=list(self.environment),
            user="0:0",
            cap_drop=["ALL"],
            cap_add=list(self.capabilities),
            security_opt=["no-new-privileges:true"],
            network_mode=self.network,
            mounts=list(self.mounts),
            tmpfs={"/tmp": "size=512m,mode=1777"},  # noqa: S108 - of the container
        )
        try:
            for folder, archive in self.archives.items():
                container.put_archive(folder, archive)
            yield container
        finally:
            container.remove(force=True)

    def _remove(self) -> None:
        try:
            self.client.containers.get(self.name).remove(force=True)
        except NotFound:
            return
