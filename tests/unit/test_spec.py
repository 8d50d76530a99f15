"""Each platform consumes every field of a spec: one that it dropped would make no difference."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from cli.export.recording import record
from components.compose.project import compose_project
from components.docker.stack import DockerStack
from components.spec import (
    APPS,
    DATA,
    Deployment,
    Healthcheck,
    HostFolder,
    PublishedPort,
    SecretRef,
    SecretSpec,
    SecretText,
    ServiceSpec,
    SharedVolume,
    StackSpec,
    Storage,
)
from images.catalog import Image
from schema.types import Resources
from tests.unit.conftest import stable_secrets, stable_value


def image(reference: str) -> Image:
    return Image(reference=reference, version="1", source="official", lacks={})


SERVICE = ServiceSpec(
    name="one",
    image=image("one:1"),
    user=1000,
    command=["run"],
    resources=Resources(memory_mb=128, cpus=Decimal(1)),
    networks=[DATA],
    healthcheck=Healthcheck(command="true"),
    storage=Storage(path="/data", chown=True),
    shared_volumes=[SharedVolume(service="base", path="/base")],
    host_folders=[HostFolder(folder="/srv", path="/srv")],
    ports=[PublishedPort(address="127.0.0.1", host_port=2000, port=80)],
)
LISTS = ("ports", "shared_volumes", "host_folders")
CHANGES: dict[str, Any] = {
    "name": "other",
    "image": image("one:2"),
    "user": 1001,
    "command": ["run", "more"],
    "resources.memory_mb": 256,
    "resources.cpus": Decimal(2),
    "networks": [DATA, APPS],
    "healthcheck.command": "false",
    "healthcheck.start_seconds": 7,
    "healthcheck.interval_seconds": 7,
    "healthcheck.timeout_seconds": 7,
    "healthcheck.retries": 7,
    "after": ["base"],
    "env": {"A": "1"},
    "secret_env": {"A": SecretRef("secret")},
    "files": {"/a": "1"},
    "secret_files": {"a": SecretText(["x", SecretRef("secret")])},
    "storage.path": "/other",
    "storage.chown": False,
    "shared_volumes.service": "two",
    "shared_volumes.path": "/two",
    "host_folders.folder": "/two",
    "host_folders.path": "/two",
    "reads_all_files": True,
    "ports.address": "127.0.0.2",
    "ports.host_port": 2001,
    "ports.port": 81,
    "extra_hosts": ["host"],
    "stop_signal": "SIGINT",
    "stop_seconds": 7,
    "shared_mb": 7,
    "temporary_mb": 7,
    "processes": 7,
    "log_mb": 7,
    "log_files": 7,
}
# The first is for the service that makes backups; Compose deletes no volume by itself.
OF_ONE = {"backup", "storage.disposable"}
# A hook tells the engine, since the provider cannot: tests/e2e/test_failures.py looks at it.
OF_A_HOOK = {"processes"}


def leaves(spec: Any) -> Iterator[str]:
    names = type(spec).model_fields if isinstance(spec, Resources) else _fields(spec)
    for name in names:
        value = getattr(spec, name)
        value = value[0] if name in LISTS else value
        if isinstance(value, Resources) or is_dataclass(value):
            yield from (f"{name}.{leaf}" for leaf in leaves(value))
        else:
            yield name


def _fields(spec: Any) -> list[str]:
    return [field.name for field in fields(spec)]


def changed(path: str) -> ServiceSpec:
    name, _, leaf = path.partition(".")
    value = CHANGES[path]
    if not leaf:
        return replace(SERVICE, **{name: value})
    section: Any = getattr(SERVICE, name)
    if isinstance(section, Resources):
        return replace(SERVICE, resources=section.model_copy(update={leaf: value}))
    one = section[0] if name in LISTS else section
    varied: Any = replace(one, **{leaf: value})
    changes: dict[str, Any] = {name: [varied] if name in LISTS else varied}
    return replace(SERVICE, **changes)


def deployment(service: ServiceSpec) -> Deployment:
    base = replace(SERVICE, name="base", shared_volumes=[], host_folders=[], ports=[])
    two = replace(base, name="two")
    spec = StackSpec(
        slug="acme",
        services=[base, two, service],
        secrets=[SecretSpec(name="secret")],
        outputs={"key": SecretRef("secret")},
    )
    return Deployment(spec=spec, given={}, docker_host="unix:///run/docker.sock", registries=[])


def with_compose(service: ServiceSpec) -> object:
    one = deployment(service)
    return compose_project("acme", one.spec, stable_secrets(one))


def with_docker(service: ServiceSpec) -> object:
    def program() -> None:
        DockerStack(deployment=deployment(service))

    recording = record(
        "acme", project="tests", config={}, secret_keys=[], value=stable_value, program=program
    )
    return recording.resources


def test_every_field_is_varied() -> None:
    assert set(leaves(SERVICE)) == set(CHANGES) | OF_ONE


@pytest.mark.parametrize("platform", [with_compose, with_docker])
@pytest.mark.parametrize("path", CHANGES)
def test_a_platform_drops_no_field(path: str, platform: Callable[[ServiceSpec], object]) -> None:
    if platform is with_docker and path in OF_A_HOOK:
        pytest.skip("a hook tells the engine")
    assert platform(changed(path)) != platform(SERVICE)
