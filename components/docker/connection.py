"""Clients of a Docker host, with one connection where each costs a login."""

import socket
import subprocess
import tempfile
from functools import cache
from typing import Any

from docker import DockerClient
from docker.transport.basehttpadapter import BaseHTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from components.docker.ssh import ssh_command

API_VERSION = "1.44"  # the first that knows the start interval of a health check
_DIAL = "docker system dial-stdio"
_SOCKET = "http+docker://localhost"


def connect(address: str) -> DockerClient:
    """A client of the Docker host at `address` (`unix://`, `tcp://` or `ssh://`).

    Over ssh all its requests share one login. docker-py's own transport takes one for each
    request, and forks for it inside a process that runs gRPC, which breaks pipes at random. It is
    no client for `exec`, which keeps its connection.
    """
    client = DockerClient(base_url=address, version=API_VERSION, use_ssh_client=True)
    if address.startswith("ssh://"):
        # As for this machine: for ssh, docker-py would look for a channel of its own transport.
        client.api.base_url = _SOCKET
        client.api.mount(_SOCKET, _SSHAdapter(address))
    return client


@cache
def shared(address: str) -> DockerClient:
    """The client that everything in this process shares; it is never closed."""
    return connect(address)


class SSHError(ConnectionError):
    """The Docker host cannot be reached over ssh; the text is what ssh, or the shell, said."""


class _SSHConnection(HTTPConnection):
    """HTTP over the pipes of an `ssh` process, which a pair of sockets stands for."""

    _ssh: subprocess.Popen[bytes] | None = None

    def __init__(self, address: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._address = address
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the connection

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._ssh = subprocess.Popen(
                [*ssh_command(self._address), _DIAL],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is for the program
            )
        ours.settimeout(60)
        self.sock = ours

    def getresponse(self) -> Any:
        try:
            return super().getresponse()
        except OSError as error:
            raise SSHError(self._words() or str(error)) from None

    def close(self) -> None:
        super().close()
        if self._ssh:
            self._ssh.terminate()
            self._ssh.wait()
            self._ssh = None

    def _words(self) -> str:
        if self._ssh:
            self._ssh.wait(5)
        self._said.seek(0)
        return self._said.read().decode(errors="replace").strip()


class _SSHPool(HTTPConnectionPool):
    def __init__(self, address: str) -> None:
        # A second one is for whoever asks while a container takes its time to stop.
        super().__init__("localhost", maxsize=2, block=True)
        self._address = address

    def _new_conn(self) -> _SSHConnection:
        return _SSHConnection(self._address, timeout=60)


class _SSHAdapter(BaseHTTPAdapter):
    def __init__(self, address: str) -> None:
        self._pool = _SSHPool(address)
        super().__init__()

    def get_connection(self, *_: object, **__: object) -> _SSHPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()
