"""Folders of the Docker host, which may see other files than the tests do."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from docker import DockerClient

from images.catalog import load_catalog

ON_HOST = "/var/tmp/cloudfreedom-tests"


def in_folder(engine: DockerClient, folder: str, script: str) -> str:
    """Run a shell with a folder of the Docker host, which is made if it is not there."""
    image = load_catalog("built").running["backup"].reference
    printed: bytes = engine.containers.run(
        image,
        ["sh", "-c", script],
        working_dir="/folder",
        user="0",
        volumes={folder: {"bind": "/folder", "mode": "rw"}},
        remove=True,
    )
    return printed.decode()


@contextmanager
def host_folder(engine: DockerClient) -> Iterator[str]:
    """A new folder of the Docker host."""
    name = secrets.token_hex(4)
    in_folder(engine, ON_HOST, f"mkdir -p {name}")
    yield f"{ON_HOST}/{name}"
    in_folder(engine, ON_HOST, f"rm -r {name}")
