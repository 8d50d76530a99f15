"""Turns what the Pulumi program declares into a Compose file.

A thin, total mapping: a declared argument that it does not know is an error, never
dropped. Names on the Docker host are the same as under Pulumi.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from components.labels import MARK, PART
from components.recovery import PROCESSES
from ops.record import Declared, Recording, Secret
from schema.errors import UserError

CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"

# Resources that are inside others here: an image is named by its container, a generated
# value is in a file of its own, and Compose runs on the host it is called on.
_FOLDED_IN = {
    "docker:index/remoteImage:RemoteImage",
    "random:index/randomBytes:RandomBytes",
    "random:index/randomUuid:RandomUuid",
    "pulumi:providers:docker",
}

_FOR_EVERYBODY = 0o444
_FILES_LABEL = "cloudfreedom.files"

Mapped = dict[str, Any]


class ExportError(UserError):
    """The program declares something that the Compose file could not say."""


@dataclass(frozen=True)
class ComposeProject:
    """What `docker compose` needs.

    Attributes:
        file: content of the Compose file, without a secret.
        environment: the secrets, by the variable that the Compose file refers to.
        wait_seconds: how long all services may take to become ready.
    """

    file: Mapping[str, Any]
    environment: Mapping[str, str]
    wait_seconds: int


def compose_project(name: str, recording: Recording) -> ComposeProject:
    """The Compose project that runs what was recorded.

    Raises:
        ExportError: a resource or an argument has no counterpart.
    """
    known = {CONTAINER, NETWORK, VOLUME, *_FOLDED_IN}
    for resource in recording.resources:
        if resource.custom and resource.type not in known:
            raise ExportError(f"{resource.name}: no counterpart in Compose for {resource.type}")
    containers = recording.of_type(CONTAINER)
    parts = {resource.urn: _part(resource) for resource in containers}
    uploads = {part: _Uploads.of(part, resource) for resource, part in _with(containers, parts)}
    file = {
        "name": name,
        "services": {
            part: _service(resource, parts, uploads[part])
            for resource, part in _with(containers, parts)
        },
        "networks": {
            resource.inputs["name"]: _mapped(resource, _NETWORK_ARGUMENTS)
            for resource in recording.of_type(NETWORK)
        },
        "volumes": {
            resource.inputs["name"]: _mapped(resource, _VOLUME_ARGUMENTS)
            for resource in recording.of_type(VOLUME)
        },
        "configs": {
            key: {"content": content}
            for upload in uploads.values()
            for key, (_, content, _) in upload.plain.items()
        },
        "secrets": {
            key: {"environment": _variable(key)}
            for upload in uploads.values()
            for key in upload.secret
        },
    }
    environment = {
        _variable(key): str(content)
        for upload in uploads.values()
        for key, (_, content, _) in upload.secret.items()
    }
    wait_seconds = sum(resource.inputs["waitTimeout"] for resource in containers)
    return ComposeProject(_escaped(file), environment, wait_seconds)


def _with(containers: list[Declared], parts: Mapping[str, str]) -> list[tuple[Declared, str]]:
    return [(resource, parts[resource.urn]) for resource in containers]


def _part(container: Declared) -> str:
    labels = {label["label"]: label["value"] for label in container.inputs["labels"]}
    return str(labels[PART])


def _service(container: Declared, parts: Mapping[str, str], uploads: "_Uploads") -> Mapped:
    waits_for = sorted(parts[urn] for urn in container.depends_on if urn in parts)
    inputs, service = container.inputs, _mapped(container, _CONTAINER_ARGUMENTS)
    # Compose does not look at what is in a file: without this, a rotation would change nothing.
    service["labels"][_FILES_LABEL] = uploads.digest()
    return service | {
        "pids_limit": PROCESSES,
        "depends_on": {part: {"condition": "service_healthy"} for part in waits_for},
        "logging": {"driver": inputs["logDriver"], "options": inputs["logOpts"]},
        "configs": _references(uploads.plain),
        "secrets": _references(uploads.secret),
    }


def _mapped(resource: Declared, arguments: Mapping[str, Callable[[Any], Mapped]]) -> Mapped:
    mapped: Mapped = {}
    with _naming(resource):
        _refuse_unknown(resource.inputs, arguments)
        for argument, counterpart in arguments.items():
            if argument in resource.inputs:
                mapped |= counterpart(resource.inputs[argument])
    return mapped


@contextmanager
def _naming(resource: Declared) -> Iterator[None]:
    """Says in an error which resource it is about."""
    try:
        yield
    except ExportError as error:
        raise ExportError(f"{resource.name}: {error}") from None


def _refuse_unknown(item: Mapping[str, Any], known: Collection[str]) -> None:
    for key in item:
        if key not in known:
            raise ExportError(f"no counterpart in Compose for {key!r}")


def _all_of(item: Mapping[str, Any], *keys: str) -> tuple[Any, ...]:
    """The values of `keys`, which must be all that the item says."""
    _refuse_unknown(item, keys)
    return tuple(item[key] for key in keys)


def _renamed(name: str) -> Callable[[Any], Mapped]:
    return lambda value: {name: value}


def _megabytes(name: str) -> Callable[[Any], Mapped]:
    return lambda value: {name: f"{value}m"}


def _pairs(items: list[Mapping[str, Any]]) -> Mapped:
    pairs = dict(_all_of(item, "label", "value") for item in items)
    return {"labels": {label: value for label, value in pairs.items() if label != MARK}}


def _elsewhere(_: Any) -> Mapped:
    """Said by another key of the Compose file, or on the command line."""
    return {}


def _capabilities(value: Mapping[str, list[str]]) -> Mapped:
    drops, adds = _all_of(value, "drops", "adds")
    return {"cap_drop": drops, "cap_add": adds}


def _healthcheck(value: Mapping[str, Any]) -> Mapped:
    counterparts = {
        "tests": "test",
        "interval": "interval",
        "timeout": "timeout",
        "retries": "retries",
        "startPeriod": "start_period",
        "startInterval": "start_interval",
    }
    values = _all_of(value, *counterparts)
    return {"healthcheck": dict(zip(counterparts.values(), values, strict=True))}


def _networks(items: list[Mapping[str, Any]]) -> Mapped:
    networks = (_all_of(item, "name", "aliases") for item in items)
    return {"networks": {name: {"aliases": aliases} for name, aliases in networks}}


def _hosts(items: list[Mapping[str, Any]]) -> Mapped:
    return {"extra_hosts": dict(_all_of(item, "host", "ip") for item in items)}


def _ports(items: list[Mapping[str, Any]]) -> Mapped:
    ports = (_all_of(item, "ip", "external", "internal") for item in items)
    return {
        "ports": [
            {"host_ip": address, "published": str(external), "target": internal}
            for address, external, internal in ports
        ]
    }


def _mounts(items: list[Mapping[str, Any]]) -> Mapped:
    keys = ("type", "source", "target")
    return {"volumes": [dict(zip(keys, _all_of(item, *keys), strict=True)) for item in items]}


def _tmpfs(value: Mapping[str, str]) -> Mapped:
    return {"tmpfs": [f"{path}:{options}" for path, options in value.items()]}


def _environment(items: list[str]) -> Mapped:
    return {"environment": dict(item.split("=", 1) for item in items)}


_CONTAINER_ARGUMENTS: Mapping[str, Callable[[Any], Mapped]] = {
    "name": _renamed("container_name"),
    "image": _renamed("image"),
    "labels": _pairs,
    "entrypoints": _renamed("entrypoint"),
    "command": _renamed("command"),
    "envs": _environment,
    "uploads": _elsewhere,
    "init": _renamed("init"),
    "restart": _renamed("restart"),
    "stopSignal": _renamed("stop_signal"),
    "stopTimeout": lambda seconds: {"stop_grace_period": f"{seconds}s"},
    "destroyGraceSeconds": _elsewhere,
    "user": _renamed("user"),
    "capabilities": _capabilities,
    "securityOpts": _renamed("security_opt"),
    "memory": _megabytes("mem_limit"),
    "memorySwap": _megabytes("memswap_limit"),
    "cpus": _renamed("cpus"),
    "shmSize": _megabytes("shm_size"),
    "tmpfs": _tmpfs,
    "logDriver": _elsewhere,
    "logOpts": _elsewhere,
    "networksAdvanced": _networks,
    "hosts": _hosts,
    "ports": _ports,
    "mounts": _mounts,
    "healthcheck": _healthcheck,
    "wait": _elsewhere,
    "waitTimeout": _elsewhere,
}

_NETWORK_ARGUMENTS: Mapping[str, Callable[[Any], Mapped]] = {
    "name": _renamed("name"),
    "driver": _renamed("driver"),
    "internal": _renamed("internal"),
    "options": _renamed("driver_opts"),
    "labels": _pairs,
}

_VOLUME_ARGUMENTS: Mapping[str, Callable[[Any], Mapped]] = {
    "name": _renamed("name"),
    "labels": _pairs,
}


class _Upload(NamedTuple):
    path: str
    content: str
    mode: int


@dataclass(frozen=True)
class _Uploads:
    """The files a container is handed, by key."""

    plain: dict[str, "_Upload"]
    secret: dict[str, "_Upload"]

    @classmethod
    def of(cls, part: str, container: Declared) -> "_Uploads":
        by_key: dict[str, _Upload] = {}
        with _naming(container):
            for item in container.inputs["uploads"]:
                path, content, permissions = _all_of(item, "file", "content", "permissions")
                key = f"{part}{re.sub('[^a-zA-Z0-9]+', '-', path)}"
                if _variable(key) in map(_variable, by_key):
                    raise ExportError(f"{path!r} has the same name in Compose as another file")
                by_key[key] = _Upload(path, content, int(permissions, 8))
        secret = {key: it for key, it in by_key.items() if isinstance(it.content, Secret)}
        plain = {key: it for key, it in by_key.items() if key not in secret}
        return cls(plain, secret)

    def digest(self) -> str:
        contents = {key: upload.content for key, upload in (self.plain | self.secret).items()}
        return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def _references(uploads: Mapping[str, _Upload]) -> list[Mapped]:
    # All belong to root, and Compose can say no other owner: a process that is not root reads
    # them because everybody in its container may. Compose warns of a mode, and then sets it.
    return [
        {"source": key, "target": upload.path}
        | ({} if upload.mode == _FOR_EVERYBODY else {"mode": upload.mode})
        for key, upload in uploads.items()
    ]


def _variable(key: str) -> str:
    return re.sub("[^A-Z0-9]+", "_", key.upper())


def _escaped(value: Any) -> Any:
    """Compose would replace `$NAME`; a doubled dollar stands for itself. Empty keys go."""
    if isinstance(value, dict):
        kept = {key: _escaped(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ([], {})}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value
