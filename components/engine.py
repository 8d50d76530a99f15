"""What the program does before anything else when Pulumi's engine runs it."""

import os
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

_SECONDS = 3
_DEFAULT_PORT = 2375


class DockerHostError(ValueError):
    """The stack's Docker host does not answer; the text names it, and what to do."""


def end_quietly_on_failure() -> None:
    """The engine interrupts a program whose resource failed, and Python would show where."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))


def check_docker_host(address: str) -> None:
    """Ask whether anything listens at a `unix://` or `tcp://` address, changing nothing.

    An `ssh://` host is left to the provider, which knows how to log in there.

    Raises:
        DockerHostError: nothing listens.
    """
    parts = urlsplit(address)
    try:
        if parts.scheme == "unix":
            _connect_to_socket(Path(parts.path))
        elif parts.scheme == "tcp":
            target = (parts.hostname or "", parts.port or _DEFAULT_PORT)
            socket.create_connection(target, _SECONDS).close()
    except OSError as error:
        raise DockerHostError(
            f"no Docker engine answers at {address} ({error.strerror or error}):"
            " start it, or set another with `pulumi config set dockerHost`"
        ) from None


def _connect_to_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(str(path))
