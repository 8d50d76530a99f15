"""Heals what a killed `up` left on a Docker host, and tells why a container is not ready.

Imported only when something is created, since Docker's client takes time to load.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from requests import RequestException

from components.docker.connection import shared
from components.labels import TENANT, labels, service_of
from schema.errors import UserError

_LOG_LINES = 15
_POLL_SECONDS = 0.25
_MOST_RESTARTS = 5
_TRIES = 5


class LeftoverError(UserError):
    """Something of the same name is in the way; the text says what."""


class NotReadyError(UserError):
    """A container did not become healthy; the text shows its last lines."""


def remove_leftover(address: str, slug: str, kind: str, inputs: Mapping[str, Any]) -> None:
    """Remove the container or network of a name if it is there and the tenant's own.

    Args:
        address: the Docker host (`unix://`, `tcp://` or `ssh://`).
        slug: the tenant.
        kind: type token of the resource that is about to be created.
        inputs: what it shall be.

    Pulumi creates only what is not in its state, so whatever has the name then was made by
    an `up` that was killed before it could write it down.

    Raises:
        LeftoverError: containers are on the network.
    """
    client, name = shared(address), inputs["name"]
    if kind == "docker:index/container:Container":
        for container in client.containers.list(all=True, filters={"name": f"^/{name}$"}):
            if container.labels.get(TENANT) == slug:
                container.stop()
                container.remove(v=True)
        mounts = inputs.get("mounts") or ()
        for mount in (each for each in mounts if each["type"] == "volume"):
            # A volume that the state has and the host lost; Docker's own would be without labels.
            volume = mount["source"]
            client.volumes.create(volume, labels=labels(slug, volume.removeprefix(f"{slug}-")))
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


def make_ready(address: str, name: str, *, seconds: int, processes: int) -> None:
    """Limit a container's processes, and wait until it is healthy.

    One that an earlier `up` left stopped or unhealthy is started again first.

    Args:
        address: the Docker host.
        name: of the container.
        seconds: how long it may take.
        processes: most processes and threads.

    Raises:
        NotReadyError: it was not within its limit, or will not be.
    """
    client = shared(address)
    try:
        container = client.containers.get(name)
        _limit_processes(container, processes)
        if container.health == "unhealthy":
            container.restart()
        elif container.status in ("created", "exited"):
            container.start()
        _wait(container, seconds)
    except NotFound:
        raise NotReadyError(
            f"{name} is not on the Docker host, although the state has it:"
            " `pulumi up --refresh` brings it back"
        ) from None
    except (DockerException, RequestException) as error:
        inputs = {"name": name, "ports": []}
        raise NotReadyError(explanation(address, inputs, [str(error)])) from None


def _limit_processes(container: Container, processes: int) -> None:
    # Neither the provider nor docker-py knows the limit.
    api = container.client.api  # type: ignore[union-attr]
    url = f"{api.base_url}/v{api.api_version}/containers/{container.id}/update"
    for _ in range(_TRIES):
        answer = api.post(url, json={"PidsLimit": processes})
        if answer.ok:
            return
        # An engine refuses while a process has just ended, as one in a crash loop often has.
        time.sleep(_POLL_SECONDS)
    answer.raise_for_status()


def _wait(container: Container, seconds: int) -> None:
    deadline, before = time.monotonic() + seconds, container.attrs["RestartCount"]
    last: Mapping[str, Any] = container.attrs["State"]
    while container.health != "healthy":
        state = container.attrs["State"]
        last = state if state["Status"] in ("restarting", "exited", "dead") else last
        restarts = container.attrs["RestartCount"] - before
        if restarts >= _MOST_RESTARTS or time.monotonic() > deadline:
            raise NotReadyError(_reason(container, restarts, last))
        time.sleep(_POLL_SECONDS)
        container.reload()


def _reason(container: Container, restarts: int, last: Mapping[str, Any]) -> str:
    """The reason why a container is not ready, with its last lines."""
    name, code = str(container.name), last["ExitCode"]
    if not restarts:
        return f"{name} did not become ready. Its last lines:\n{_last_lines(container)}"
    ending = f"restarted {restarts} times, exit {code}"
    if last["OOMKilled"] or code == _KILLED:
        limit = container.attrs["HostConfig"]["Memory"] // 2**20
        service = service_of(container.labels) or name
        return (
            f"{name} did not become ready: it was killed for memory (limit {limit} MiB), {ending}."
            f" Raise `{service}.memory_mb` in the stack's file. Its last lines:\n"
            f"{_last_lines(container)}"
        )
    return f"{name} did not become ready: it was {ending}. Its last lines:\n" + _last_lines(
        container
    )


_KILLED = 128 + 9


def explanation(address: str, inputs: Mapping[str, Any], errors: Sequence[str]) -> str:
    """The reason why a container or network could not be made, in words.

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
    if "address pool" in cause:
        return (
            f"{name}: the Docker host has no addresses left for another network: remove unused"
            " ones (`docker network prune`), give the engine more (`default-address-pools` in"
            " /etc/docker/daemon.json), or use another host"
        )
    return not_ready(address, name)


def not_ready(address: str, name: str) -> str:
    """Says that a container is not ready, why, and its last lines."""
    try:
        container = shared(address).containers.get(name)
        return _reason(container, container.attrs["RestartCount"], container.attrs["State"])
    except (DockerException, RequestException) as error:
        return f"{name} did not become ready. Its last lines:\n(none: {error})"


def _last_lines(container: Container) -> str:
    log: bytes = container.logs(tail=_LOG_LINES)
    return log.decode(errors="replace").strip() or "(it printed nothing)"
