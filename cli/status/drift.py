"""Differences between a container that runs and its spec, those too that no provider reads back."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from docker import DockerClient
from docker.errors import ImageNotFound
from docker.models.containers import Container

from cli.container_files import read_files
from cli.doctor.condition import published
from cli.running import environment_of
from cli.status.model import Difference
from components.spec import ServiceSpec, StackSpec

_MIB = 2**20
_FOLDER_PARTS = 3  # of `/etc/litellm`, with the empty one before the first slash


def drift(stack: StackSpec, service: ServiceSpec, container: Container) -> list[Difference]:
    """All differences that can be seen from outside; values of secrets are not looked at.

    Args:
        stack: that the service is of.
        service: its spec.
        container: that runs it.
    """
    return [
        *_image(container.client, service, container),
        *_settings(stack, service, container),
        *_ports(service, container),
        *_files(service, container),
    ]


def _image(
    client: DockerClient | None, service: ServiceSpec, container: Container
) -> Iterator[Difference]:
    wanted = service.image.reference
    try:
        identity = client.images.get(wanted).id if client else ""
    except ImageNotFound:
        identity = ""
    if container.attrs["Image"] != identity:
        yield Difference(what="image", wanted=wanted, found=image_name(container))


def image_name(container: Container) -> str:
    """The image of a container as people name it."""
    name = str(container.attrs["Config"]["Image"])
    if not name.startswith("sha256:"):
        return name
    image = container.image
    return str(image.tags[0]) if image and image.tags else name[:19]


def _settings(stack: StackSpec, service: ServiceSpec, container: Container) -> Iterator[Difference]:
    found = container.attrs
    config, host = found["Config"], found["HostConfig"]
    has = environment_of(container)
    mounts = {each["Destination"]: each.get("Name") or each["Source"] for each in found["Mounts"]}
    pairs: dict[str, tuple[Any, Any]] = {
        "command": (service.arguments, config["Cmd"]),
        "entrypoint": (service.entrypoint, config["Entrypoint"]),
        "user": (service.start_user, config["User"]),
        "memory": (f"{service.resources.memory_mb} MiB", f"{host['Memory'] // _MIB} MiB"),
        "cpus": (f"{float(service.resources.cpus):.1f}", f"{host['NanoCpus'] / 1e9:.1f}"),
        "capabilities": (service.capabilities, sorted(_capabilities(host))),
        "restart": ("always", host["RestartPolicy"]["Name"]),
        "networks": (
            sorted(map(stack.name, service.networks)),
            sorted(found["NetworkSettings"]["Networks"]),
        ),
    }
    pairs |= {f"variable {name}": (value, has.get(name)) for name, value in service.env.items()}
    if service.storage:
        path = service.storage.path
        pairs[f"volume at {path}"] = (stack.name(service.name), mounts.get(path))
    for what, (wanted, there) in pairs.items():
        if wanted != there:
            yield Difference(what=what, wanted=_text(wanted), found=_text(there))


def _capabilities(host: Mapping[str, Any]) -> Iterator[str]:
    for name in host["CapAdd"] or ():
        yield name if name.startswith("CAP_") else f"CAP_{name}"


def _ports(service: ServiceSpec, container: Container) -> Iterator[Difference]:
    wanted = {str(each.port): f"{each.address}:{each.host_port}" for each in service.ports}
    found = {inner: f"{host}:{port}" for inner, (host, port) in published(container).items()}
    for inner in sorted(wanted.keys() | found.keys()):
        if wanted.get(inner) != found.get(inner):
            what = f"port {inner}"
            yield Difference(
                what=what, wanted=_text(wanted.get(inner)), found=_text(found.get(inner))
            )


def _files(service: ServiceSpec, container: Container) -> Iterator[Difference]:
    wanted = {
        file.path: file.content.encode()
        for file in service.handed_files
        if isinstance(file.content, str)
    }
    found: dict[str, bytes] = {}
    for folder in sorted({"/".join(path.split("/")[:_FOLDER_PARTS]) for path in wanted}):
        found |= read_files(container, folder)
    for path, content in wanted.items():
        there = found.get(path)
        if there != content:
            seen = "nothing" if there is None else _digest(there)
            yield Difference(what=f"file {path}", wanted=_digest(content), found=seen)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:12]


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    return " ".join(value) if isinstance(value, list) else str(value)
