"""A tenant or a core as a project of Docker Compose.

Names on the Docker host are the same as under Pulumi.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.labels import container_labels, labels
from components.spec import (
    NETWORKS,
    File,
    Healthcheck,
    NetworkSpec,
    PublishedPort,
    ServiceSpec,
    StackSpec,
    filled_output,
)
from schema.duration import go_duration
from schema.errors import UserError

_FOR_EVERYBODY = "0444"
_FILES_LABEL = "cloudfreedom.files"

Json = dict[str, Any]


class ExportError(UserError):
    """A spec says something that a Compose file could not say."""


@dataclass(frozen=True)
class ComposeProject:
    """A project of `docker compose`.

    Attributes:
        file: content of the Compose file, without a secret.
        environment: the secrets, by the variable that the Compose file refers to.
        outputs: addresses, logins and keys, by the name they are exported under.
        wait_seconds: how long all services may take to become ready.
    """

    file: Mapping[str, Any]
    environment: Mapping[str, str]
    outputs: Mapping[str, Any]
    wait_seconds: int


def compose_project(name: str, spec: StackSpec, values: Mapping[str, str]) -> ComposeProject:
    """The Compose project of a tenant or a core.

    Args:
        name: of the project.
        spec: the tenant or the core.
        values: of its secrets, by name.

    Raises:
        ExportError: it says something that a Compose file could not say.
    """
    files = {service.name: _by_key(spec, service) for service in spec.services}
    every = {key: file for each in files.values() for key, file in each.items()}
    texts = {key: _text(file, values) for key, file in every.items()}
    secret = [key for key, file in every.items() if not isinstance(file.content, str)]
    file = {
        "name": name,
        "services": {
            service.name: _service(spec, service, files[service.name], texts)
            for service in sorted(spec.services, key=lambda service: service.name)
        },
        "networks": {
            spec.name(network.name): _network(spec, network)
            for network in sorted(NETWORKS, key=lambda network: network.name)
        },
        "volumes": {
            spec.name(store): {"name": spec.name(store), "labels": labels(spec.slug, store)}
            for store in sorted(spec.stores)
        },
        "configs": {
            key: {"content": file.content}
            for key, file in every.items()
            if isinstance(file.content, str)
        },
        "secrets": {key: {"environment": _variable(key)} for key in secret},
    }
    return ComposeProject(
        file=_escaped(file),
        environment={_variable(key): texts[key] for key in secret},
        outputs={
            name: filled_output(value, lambda secret: secret.render(values))
            for name, value in sorted(spec.outputs.items())
        },
        wait_seconds=sum(service.healthcheck.start_seconds for service in spec.services),
    )


def _text(file: File, values: Mapping[str, str]) -> str:
    return file.content if isinstance(file.content, str) else file.content.render(values)


def _service(
    spec: StackSpec, service: ServiceSpec, files: Mapping[str, File], texts: Mapping[str, str]
) -> Json:
    memory = f"{service.resources.memory_mb}m"
    return {
        "container_name": spec.name(service.name),
        "image": service.image.reference,
        # Compose does not look at what is in a file: without it, a rotation would change nothing.
        "labels": {
            **container_labels(spec.slug, service.name),
            _FILES_LABEL: _digest({key: texts[key] for key in files}),
        },
        "entrypoint": service.entrypoint,
        "command": service.arguments,
        "environment": dict(sorted(service.env.items())),
        "init": True,
        "restart": "always",  # see components/docker/service.py
        "stop_signal": service.stop_signal,
        "stop_grace_period": f"{service.stop_seconds}s",
        "user": service.start_user,
        "cap_drop": ["ALL"],
        "cap_add": service.capabilities,
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": memory,
        "memswap_limit": memory,
        "cpus": f"{service.resources.cpus:.1f}",
        "shm_size": f"{service.shared_mb}m",
        "pids_limit": service.processes,
        "tmpfs": [f"/tmp:size={service.temporary_mb}m,mode=1777"],
        "networks": {
            spec.name(network): {"aliases": [service.name]} for network in service.networks
        },
        "extra_hosts": dict.fromkeys(sorted(service.extra_hosts), "host-gateway"),
        "ports": [_port(port) for port in service.ports],
        "volumes": list(_mounts(spec, service)),
        "healthcheck": _healthcheck(service.healthcheck),
        "depends_on": {name: {"condition": "service_healthy"} for name in sorted(service.after)},
        "logging": {
            "driver": "json-file",
            "options": {
                "max-file": str(service.log_files),
                "max-size": f"{service.log_mb}m",
            },
        },
        "configs": _references(files, secret=False),
        "secrets": _references(files, secret=True),
    }


def _mounts(spec: StackSpec, service: ServiceSpec) -> Iterator[Json]:
    if service.storage:
        yield _mount(spec.name(service.name), service.storage.path)
    for shared in service.shared_volumes:
        yield _mount(spec.name(shared.service), shared.path) | {"read_only": True}
    for each in service.host_folders:
        # Compose would make a folder that is not there.
        bind = {"bind": {"create_host_path": False}}
        yield {"type": "bind", "source": each.folder, "target": each.path} | bind


def _mount(volume: str, path: str) -> Json:
    return {"type": "volume", "source": volume, "target": path}


def _port(port: PublishedPort) -> Json:
    return {"host_ip": port.address, "published": str(port.host_port), "target": port.port}


def _healthcheck(health: Healthcheck) -> Json:
    return {
        "test": ["CMD-SHELL", health.command],
        "interval": go_duration(health.interval_seconds),
        "timeout": go_duration(health.timeout_seconds),
        "retries": health.retries,
        "start_period": go_duration(health.start_seconds),
        "start_interval": "1s",
    }


def _network(spec: StackSpec, network: NetworkSpec) -> Json:
    return {
        "name": spec.name(network.name),
        "driver": "bridge",
        "internal": network.internal,
        "driver_opts": network.options,
        "labels": labels(spec.slug, network.name),
    }


def _by_key(spec: StackSpec, service: ServiceSpec) -> dict[str, File]:
    """The files that a container is handed, by their name in the Compose file."""
    by_key: dict[str, File] = {}
    for file in service.handed_files:
        key = f"{service.name}{re.sub('[^a-zA-Z0-9]+', '-', file.path)}"
        if _variable(key) in map(_variable, by_key):
            name = spec.name(service.name)
            raise ExportError(f"{name}: {file.path!r} has the same name in Compose as another file")
        by_key[key] = file
    return by_key


def _digest(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()


def _references(files: Mapping[str, File], *, secret: bool) -> list[Json]:
    # All belong to root, and Compose can say no other owner: a process that is not root reads
    # them because everybody in its container may. Compose warns of a mode, and then sets it.
    return [
        {"source": key, "target": file.path}
        | ({} if file.permissions == _FOR_EVERYBODY else {"mode": int(file.permissions, 8)})
        for key, file in files.items()
        if isinstance(file.content, str) is not secret
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
