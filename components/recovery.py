"""Heals what a killed `up` left on a Docker host, and tells why a container is not ready.

Imported only when something is created, since Docker's client takes half a second to load.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from docker import DockerClient
from docker.errors import APIError, DockerException
from docker.models.networks import Network

from components.labels import TENANT

_LOG_LINES = 15
_POLL_SECONDS = 0.5


class LeftoverError(RuntimeError):
    """Something of the same name is in the way; the text says what."""


class NotReadyError(RuntimeError):
    """A container did not become healthy; the text shows its last lines."""


def _connect(address: str) -> closing[DockerClient]:
    return closing(DockerClient(base_url=address, use_ssh_client=address.startswith("ssh://")))


def remove_leftover(address: str, slug: str, *, kind: str, name: str) -> None:
    """Remove the container or network `name` if it is there and the tenant's own.

    Args:
        address: the Docker host (`unix://`, `tcp://` or `ssh://`).
        slug: the tenant.
        kind: type token of the resource that is about to be created.
        name: its name on the host.

    Pulumi creates only what is not in its state, so whatever has the name then was made by
    an `up` that was killed before it could write it down.

    Raises:
        LeftoverError: containers are on the network.
    """
    with _connect(address) as client:
        if kind == "docker:index/container:Container":
            for container in client.containers.list(all=True, filters={"name": f"^/{name}$"}):
                if container.labels.get(TENANT) == slug:
                    container.stop()
                    container.remove(v=True)
        else:
            for network in client.networks.list(names=[f"^{name}$"]):
                if (network.attrs["Labels"] or {}).get(TENANT) == slug:
                    _remove_network(network, slug)


def _remove_network(network: Network, slug: str) -> None:
    try:
        network.remove()
    except APIError:
        raise LeftoverError(
            f"{network.name} is in use by containers that are not of this stack: another one has"
            f" the slug {slug!r}, too, or the state of this one was lost"
        ) from None


def make_ready(address: str, inputs: Mapping[str, Any]) -> None:
    """Start a container if it is not running, and wait until it is healthy.

    The provider does so only while it creates one: a creation that failed half-way would
    otherwise be taken for done by the next `up`.

    Raises:
        NotReadyError: it was not within its own limit.
    """
    with _connect(address) as client:
        container = client.containers.get(inputs["name"])
        try:
            container.start()
        except APIError as error:
            raise NotReadyError(explanation(address, inputs, [str(error)])) from None
        deadline = time.monotonic() + inputs["waitTimeout"]
        while container.health != "healthy":
            if time.monotonic() > deadline:
                raise NotReadyError(not_ready(address, inputs["name"]))
            time.sleep(_POLL_SECONDS)
            container.reload()


def explanation(address: str, inputs: Mapping[str, Any], errors: Sequence[str]) -> str:
    """Why a container or network could not be made, in words.

    Args:
        address: the Docker host.
        inputs: what the resource should have been.
        errors: what the provider said, newest first.
    """
    name, cause = inputs["name"], errors[0] if errors else ""
    ports = ", ".join(f"{port['ip']}:{int(port['external'])}" for port in inputs.get("ports") or ())
    if "already allocated" in cause or "address already in use" in cause:
        return (
            f"{name}: {ports} of the Docker host is taken: stop what uses it,"
            " or choose another port in the stack's file"
        )
    if "cannot assign requested address" in cause:
        return (
            f"{name}: the Docker host has no such address as in {ports}: `bind` in the stack's"
            " file, or a core's `hostGateway`, must be one of its own"
        )
    return not_ready(address, name)


def not_ready(address: str, name: str) -> str:
    """Says that a container is not ready, with its last lines."""
    return f"{name} did not become ready. Its last lines:\n{_last_lines(address, name)}"


def _last_lines(address: str, name: str) -> str:
    try:
        with _connect(address) as client:
            log: bytes = client.containers.get(name).logs(tail=_LOG_LINES)
    except DockerException as error:
        return f"(none: {error})"
    return log.decode(errors="replace").strip() or "(it printed nothing)"
