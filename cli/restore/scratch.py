"""A scratch copy of a stack: some of its services, without data, ports or a way out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from docker.errors import APIError
from docker.models.containers import Container
from docker.types import Mount

from cli.running import RunningStack, environment_of
from components.labels import TENANT, container_labels, labels
from components.spec import DATA, NetworkSpec, stack_name
from schema.errors import UserError

# No tenant and no core may have a dot in its slug.
_SUFFIX = ".scratch"

_KEPT = {
    "CapAdd": "cap_add",
    "CapDrop": "cap_drop",
    "Init": "init",
    "Memory": "mem_limit",
    "MemorySwap": "memswap_limit",
    "NanoCpus": "nano_cpus",
    "PidsLimit": "pids_limit",
    "SecurityOpt": "security_opt",
    "ShmSize": "shm_size",
    "Tmpfs": "tmpfs",
}
"""All that bounds and hardens a container, as Docker describes it and as it is asked for."""


@contextmanager
def scratch_copy(
    stack: RunningStack, services: Sequence[str], environment: Mapping[str, str]
) -> Iterator[RunningStack]:
    """A copy of some services of a stack with empty volumes, which is gone afterwards.

    Files and secrets are those that the containers of the stack have.

    Args:
        stack: that is copied.
        services: in the order that they start in.
        environment: settings that are others in the copy.

    Raises:
        UserError: Docker refuses something.
    """
    copy = RunningStack(stack.address, f"{stack.slug}{_SUFFIX}")
    _remove(copy)  # of a run that was killed
    try:
        try:
            _make(stack, copy, services, environment)
        except APIError as error:
            raise UserError(f"{copy.slug}: {error.explanation or error}") from None
        yield copy
    finally:
        _remove(copy)


def _make(
    stack: RunningStack, copy: RunningStack, services: Sequence[str], environment: Mapping[str, str]
) -> None:
    network, spec = stack_name(copy.slug, DATA), NetworkSpec(name=DATA, internal=True)
    copy.client.networks.create(
        network, "bridge", spec.options, internal=spec.internal, labels=labels(copy.slug, DATA)
    )
    for service in services:
        _make_container(stack.existing(service), copy, service, network, environment)


def _make_container(
    source: Container,
    copy: RunningStack,
    service: str,
    network: str,
    environment: Mapping[str, str],
) -> None:
    client, config, host = copy.client, source.attrs["Config"], source.attrs["HostConfig"]
    name = stack_name(copy.slug, service)
    client.volumes.create(name, labels=labels(copy.slug, service))
    # With the files that it was handed, but nothing of its volumes; it goes on meanwhile.
    image = source.commit(pause=False, changes=[f"LABEL {TENANT}={copy.slug}"])
    kept: dict[str, Any] = {key: host[its] for its, key in _KEPT.items()}
    client.containers.create(
        image,
        config["Cmd"],
        name=name,
        entrypoint=config["Entrypoint"],
        environment=environment_of(source) | dict(environment),
        user=config["User"],
        healthcheck=config["Healthcheck"],
        labels=container_labels(copy.slug, service),
        mounts=[
            Mount(each["Destination"], name)
            for each in source.attrs["Mounts"]
            if each["Type"] == "volume"
        ],
        network=network,
        networking_config={network: client.api.create_endpoint_config(aliases=[service])},
        **kept,
    )


def _remove(copy: RunningStack) -> None:
    copy.remove()
    images = copy.client.images
    of_copy: dict[str, Any] = {"label": f"{TENANT}={copy.slug}"}
    for image in images.list(filters=of_copy):
        images.remove(str(image.id), force=True)
