"""The containers of a tenant or a core that is up, on a Docker host that may be another machine."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from shlex import join
from subprocess import DEVNULL

from docker import DockerClient
from docker.models.containers import Container

from components.docker.connection import shared
from components.docker.ssh import ssh_command
from components.labels import TENANT, service_of


@dataclass(frozen=True)
class RunningStack:
    """The containers of a tenant or a core that are up.

    Attributes:
        address: the Docker host, `unix://`, `tcp://` or `ssh://`.
        slug: the tenant or the core.
    """

    address: str
    slug: str

    @property
    def client(self) -> DockerClient:
        """Of the Docker host."""
        return shared(self.address)

    @cached_property
    def containers(self) -> dict[str, Container]:
        """All containers that are there, running or not, by the service; looked up once."""
        found = self.client.containers.list(all=True, filters={"label": f"{TENANT}={self.slug}"})
        return {service_of(container.labels): container for container in found}

    def running(self, service: str) -> Container | None:
        """The container of a service, if it runs."""
        container = self.containers.get(service)
        return container if container is not None and container.status == "running" else None

    def output(self, container: Container, command: Sequence[str]) -> bytes:
        """Output of a command that runs in a container, as root."""
        if self.address.startswith("ssh://"):
            # Nothing can be run over a connection that is shared; it ends in a broken pipe.
            there = join(["docker", "exec", "--user", "0", str(container.name), *command])
            call = [*ssh_command(self.address), there]
            return subprocess.run(call, check=False, stdin=DEVNULL, capture_output=True).stdout
        output = container.exec_run(list(command), user="0", stderr=False).output
        return output if isinstance(output, bytes) else b""
