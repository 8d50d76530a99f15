"""The containers of a tenant or a core that is up, on a Docker host that may be another machine."""

import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from shlex import join
from subprocess import DEVNULL, PIPE, STDOUT
from typing import IO, Any

from docker import DockerClient
from docker.models.containers import Container

from cli.environment import CORE, ROOT
from cli.yaml_io import read_config
from components.docker.connection import shared
from components.docker.preflight import survey
from components.docker.ssh import ssh_command
from components.labels import TENANT, service_of
from components.spec import stack_name
from components.stack_config import LOCAL_DOCKER, docker_hosts
from core.loader import load as load_core
from schema.errors import UserError
from tenants.loader import load


def running_stack(stack: str, *, core: bool = False) -> "RunningStack":
    """The containers of a tenant or a core of this project.

    Raises:
        UserError: there is no such file, it cannot be used, or its Docker host does not answer.
    """
    found = _core(stack) if core else _tenant(stack)
    survey(found.address)
    return found


def _core(stack: str) -> "RunningStack":
    config = read_config(CORE / f"Pulumi.{stack}.yaml")
    address = str(config.get("cloudfreedom-core:dockerHost", LOCAL_DOCKER))
    return RunningStack(address, load_core(stack).slug)


def _tenant(stack: str) -> "RunningStack":
    hosts = docker_hosts(ROOT)
    return RunningStack(hosts.get(stack, LOCAL_DOCKER), load(stack, hosts=hosts).slug)


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

    def existing(self, service: str, *, running: bool = True) -> Container:
        """The container of a service that must be there.

        Args:
            service: its name.
            running: it must run, too.

        Raises:
            UserError: it is not.
        """
        container = self.running(service) if running else self.containers.get(service)
        if container is None:
            lacking = "does not run" if running else "is not there"
            raise UserError(
                f"the container {stack_name(self.slug, service)} {lacking} on {self.address}:"
                " bring the stack up first, with this service in its file or its config"
            )
        return container

    def remove(self) -> None:
        """Delete its containers, networks and volumes, and the data with them."""
        mine: dict[str, Any] = {"label": f"{TENANT}={self.slug}"}
        for container in self.client.containers.list(all=True, filters=mine):
            container.remove(force=True)
        for volume in self.client.volumes.list(filters=mine):
            volume.remove()
        for network in self.client.networks.list(filters=mine):
            network.remove()

    def run_as_process(self, container: Container, command: Sequence[str]) -> int:
        """Run a command in a container as its own process would; its exit code.

        The command has the secrets and the rights of that process, and prints to our own output.
        """
        whole = [*container.attrs["Config"]["Entrypoint"], "--", *command]
        if self.address.startswith("ssh://"):
            there = join(["docker", "exec", str(container.name), *whole])
            call = [*ssh_command(self.address), there]
            return subprocess.run(call, check=False, stdin=DEVNULL).returncode
        api = self.client.api
        started = api.exec_create(container.id or "", whole)["Id"]
        for out, err in api.exec_start(started, stream=True, demux=True):
            sys.stdout.write((out or b"").decode(errors="replace"))
            sys.stderr.write((err or b"").decode(errors="replace"))
            sys.stdout.flush()
            sys.stderr.flush()
        return int(api.exec_inspect(started)["ExitCode"])

    def execute(self, container: Container, command: Sequence[str]) -> str:
        """Output of a command that runs in a container as its user.

        Raises:
            UserError: it failed; with what it said.
        """
        if self.address.startswith("ssh://"):
            there = join(["docker", "exec", str(container.name), *command])
            call = [*ssh_command(self.address), there]
            done = subprocess.run(call, check=False, stdin=DEVNULL, capture_output=True)
            code, printed = done.returncode, (done.stdout, done.stderr)
        else:
            result: Any = container.exec_run(list(command), demux=True)
            code, printed = result.exit_code, result.output
        out, err = printed
        if code:
            said = (err or out or b"").decode(errors="replace").strip()
            raise UserError(f"{container.name}: {command[0]} failed: {said}")
        return (out or b"").decode(errors="replace")

    def save(self, container: Container, command: Sequence[str], path: Path) -> None:
        """Write the output of a command that runs in a container as its user into a file.

        Raises:
            UserError: it failed; with what it said.
        """
        with path.open("wb") as file:
            code, said = self._save(container, command, file)
        if code:
            raise UserError(f"{container.name}: {command[0]} failed: {said.strip()}")

    def _save(
        self, container: Container, command: Sequence[str], file: IO[bytes]
    ) -> tuple[int, str]:
        if self.address.startswith("ssh://"):
            there = join(["docker", "exec", str(container.name), *command])
            call = [*ssh_command(self.address), there]
            done = subprocess.run(call, check=False, stdin=DEVNULL, stdout=file, stderr=PIPE)
            return done.returncode, done.stderr.decode(errors="replace")
        api, said = self.client.api, b""
        user = container.attrs["Config"]["User"]
        started = api.exec_create(container.id or "", list(command), user=user)["Id"]
        for out, err in api.exec_start(started, stream=True, demux=True):
            file.write(out or b"")
            said += err or b""
        return int(api.exec_inspect(started)["ExitCode"]), said.decode(errors="replace")

    @contextmanager
    def follow_log(
        self, container: Container, *, since: datetime | None, tail: int
    ) -> Iterator[Iterator[str]]:
        """Lines of a log with the time before each, those that are to come, too.

        Args:
            container: whose log it is.
            since: no older ones.
            tail: number of the last lines; 0 is all.
        """
        if self.address.startswith("ssh://"):
            options = ["--follow", "--timestamps", "--tail", str(tail or "all")]
            options += ["--since", since.isoformat()] if since else []
            there = join(["docker", "logs", *options, str(container.name)])
            call = [*ssh_command(self.address), there]
            # A stream would keep one of the few connections that are shared.
            with subprocess.Popen(
                call, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, text=True, errors="replace"
            ) as process:
                try:
                    yield iter(process.stdout or ())
                finally:
                    process.terminate()
            return
        stream = container.logs(
            stream=True, follow=True, timestamps=True, since=since, tail=tail or "all"
        )
        try:
            yield _lines(stream)
        finally:
            stream.close()

    def output(self, container: Container, command: Sequence[str]) -> bytes:
        """Output of a command that runs in a container, as root."""
        if self.address.startswith("ssh://"):
            # Nothing can be run over a connection that is shared; it ends in a broken pipe.
            there = join(["docker", "exec", "--user", "0", str(container.name), *command])
            call = [*ssh_command(self.address), there]
            return subprocess.run(call, check=False, stdin=DEVNULL, capture_output=True).stdout
        output = container.exec_run(list(command), user="0", stderr=False).output
        return output if isinstance(output, bytes) else b""


def environment_of(container: Container) -> dict[str, str]:
    """The plain settings that a container was made with."""
    return dict(each.partition("=")[::2] for each in container.attrs["Config"]["Env"] or ())


def _lines(parts: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
