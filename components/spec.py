"""Specs: a service apart from where it runs, as plain data that each platform renders.

A platform consumes every field or refuses it; a test of each holds it to that. What is the same for
all containers, their hardening first of all, is here as a default, once.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from typing import Any, Literal, Protocol

from images.catalog import Image
from schema.types import Resources

START = "/opt/cloudfreedom/start.sh"
SECRETS = "/run/secrets"

DATA, APPS = "data", "apps"
"""Names of the two networks of a stack."""

# Giving a volume to another user and becoming that user needs these; the process itself
# has none. KILL lets the init process, still root, pass a stop signal on.
_CAPABILITIES_TO_DROP_PRIVILEGES = ("CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID")
_CAPABILITY_TO_READ = "CAP_DAC_READ_SEARCH"

SECRET_BYTES = 32
"""Length of a generated value."""

_PUBLIC, _OF_ROOT = "0444", "0400"

_HTTP_HEALTHCHECK = """\
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen("%s")
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
except OSError as error:
    sys.exit(str(error))
"""


# --- Secrets


@dataclass(frozen=True, kw_only=True)
class SecretSpec:
    """A secret of a stack.

    Attributes:
        name: by which services refer to it.
        given: it comes from the stack's config or a core, and is not generated.
        resource: the generated value that it is made from, if others are, too; else its own.
        generation: another one is another generated value.
        protect: a stack that is taken down keeps the generated value.
        form: the secret made from the generated value, which is 32 bytes in hexadecimal.
    """

    name: str
    given: bool = False
    resource: str = ""
    generation: int = 1
    protect: bool = False
    form: Callable[[str], str] = str

    @property
    def value_name(self) -> str:
        """Name of the generated value."""
        return self.resource or self.name


class Secret(Protocol):
    """A text with secrets in it."""

    @property
    def names(self) -> frozenset[str]:
        """The secrets that are in it."""

    def render(self, values: Mapping[str, str]) -> str:
        """The text, with the value of each secret."""


@dataclass(frozen=True)
class SecretRef:
    """The place of a secret, by its name; alone, a text that is the secret and nothing else."""

    name: str

    @property
    def names(self) -> frozenset[str]:
        """See `Secret.names`."""
        return frozenset({self.name})

    def render(self, values: Mapping[str, str]) -> str:
        """See `Secret.render`."""
        return values[self.name]


@dataclass(frozen=True)
class SecretText:
    """Texts and secrets, one after the other."""

    parts: Sequence[str | SecretRef]

    @property
    def names(self) -> frozenset[str]:
        """See `Secret.names`."""
        return frozenset(part.name for part in self.parts if isinstance(part, SecretRef))

    def render(self, values: Mapping[str, str]) -> str:
        """See `Secret.render`."""
        return "".join(
            part.render(values) if isinstance(part, SecretRef) else part for part in self.parts
        )


@dataclass(frozen=True)
class SecretJson:
    """JSON with secrets among its leaves."""

    value: Any

    @property
    def names(self) -> frozenset[str]:
        """See `Secret.names`."""
        return frozenset(_names(self.value))

    def filled(self, fill: Callable[[SecretRef], Any]) -> Any:
        """The value of the JSON, with something else in the place of each secret."""
        return _filled(self.value, fill)

    def render(self, values: Mapping[str, str]) -> str:
        """See `Secret.render`."""
        return json.dumps(self.filled(lambda secret: secret.render(values)))


def filled_output(value: str | Secret, fill: Callable[[Secret], Any]) -> Any:
    """An output of a stack, with something else in the place of each secret."""
    if isinstance(value, str):
        return value
    return value.filled(fill) if isinstance(value, SecretJson) else fill(value)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, SecretRef):
        yield value.name
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _names(item)


def _filled(value: Any, fill: Callable[[SecretRef], Any]) -> Any:
    if isinstance(value, SecretRef):
        return fill(value)
    if isinstance(value, Mapping):
        return {key: _filled(item, fill) for key, item in value.items()}
    return value


# --- Networks


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """A bridge on the Docker host.

    Attributes:
        name: in its stack.
        internal: it has no way out, not even to its host.
    """

    name: str
    internal: bool

    @property
    def options(self) -> dict[str, str]:
        """Options of the bridge's driver."""
        # Without it an internal network still leads to whatever its host listens on.
        return {"com.docker.network.bridge.inhibit_ipv4": "true"} if self.internal else {}


NETWORKS = (NetworkSpec(name=DATA, internal=True), NetworkSpec(name=APPS, internal=False))
"""Of each tenant and each core: all services are on the first; requests come by the second."""


# --- Services


@dataclass(frozen=True, kw_only=True)
class Healthcheck:
    """The condition of readiness: a shell command that ends with 0 then."""

    command: str
    start_seconds: int = 120
    interval_seconds: int = 10
    timeout_seconds: int = 5
    retries: int = 3


@dataclass(frozen=True, kw_only=True)
class PublishedPort:
    """A port of the container, published on one address of the host."""

    address: str
    host_port: int
    port: int


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The place of the service's volume in its container.

    Attributes:
        path: an absolute one.
        chown: the image leaves the place to root, so it is given to the process's user.
        disposable: nothing is missed when it is gone.
    """

    path: str
    chown: bool = False
    disposable: bool = False


@dataclass(frozen=True, kw_only=True)
class SharedVolume:
    """The volume of another service, which is only read here.

    Attributes:
        service: whose volume it is.
        path: its place in the container.
    """

    service: str
    path: str


@dataclass(frozen=True, kw_only=True)
class HostFolder:
    """A folder of the Docker host that is there already.

    Attributes:
        folder: an absolute path of the host.
        path: its place in the container, which is given to the process's user.
    """

    folder: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Backup:
    """The backup of a service's data.

    Attributes:
        kind: `databases` of PostgreSQL, `keys` of Valkey, or `files` of the service's volume.
        databases: by name.
        on_restore: statements that a restored database is given before it is used, by its name.
        exclude: folders of the volume that can be made again.
    """

    kind: Literal["databases", "keys", "files"]
    databases: Sequence[str] = ()
    on_restore: Mapping[str, str] = field(default_factory=dict)
    exclude: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that a container is handed, which belongs to root.

    Attributes:
        path: an absolute one.
        content: a text, or one with secrets in it.
        permissions: in octal, such as 0444.
    """

    path: str
    content: str | Secret
    permissions: str


@dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """One container of a tenant or a core.

    Attributes:
        name: in its stack, on its networks, and of its volume.
        image: that it runs.
        user: numeric user and group that its process runs as.
        command: its process, found on the image's PATH.
        resources: memory and processors.
        networks: that it is on, of `DATA` and `APPS`.
        healthcheck: tells when it is ready.
        after: names of the services that are ready before it starts.
        env: plain settings.
        secret_env: settings that only the process finds in its environment.
        files: plain text by absolute path.
        secret_files: secret text by name, in `SECRETS`.
        storage: where its data lives.
        backup: of its data, if it has any.
        shared_volumes: those of other services that it reads.
        host_folders: that it writes.
        reads_all_files: its process reads files of every user.
        ports: that it publishes.
        extra_hosts: names that lead to what the Docker host itself publishes.
        stop_signal: asks the process to stop.
        stop_seconds: how long it may take to.
        shared_mb: memory that its processes share; it counts for `resources`.
        temporary_mb: most memory that `/tmp` takes.
        processes: most processes and threads.
        log_mb: size of a file of its log.
        log_files: most files of its log, the oldest of which goes first.
    """

    name: str
    image: Image
    user: int
    command: Sequence[str]
    resources: Resources
    networks: Sequence[str]
    healthcheck: Healthcheck
    after: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: Mapping[str, Secret] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    secret_files: Mapping[str, Secret] = field(default_factory=dict)
    storage: Storage | None = None
    backup: Backup | None = None
    shared_volumes: Sequence[SharedVolume] = ()
    host_folders: Sequence[HostFolder] = ()
    reads_all_files: bool = False
    ports: Sequence[PublishedPort] = ()
    extra_hosts: Sequence[str] = ()
    stop_signal: str = "SIGTERM"
    stop_seconds: int = 30
    shared_mb: int = 64
    temporary_mb: int = 128
    processes: int = 1024
    log_mb: int = 10
    log_files: int = 3

    @property
    def drops_privileges(self) -> bool:
        """Whether the container starts as root to hand folders over, or to keep a capability."""
        return bool(self._handed_over) or self.reads_all_files

    @property
    def start_user(self) -> str:
        """User and group that the container starts as."""
        return "0:0" if self.drops_privileges else f"{self.user}:{self.user}"

    @property
    def capabilities(self) -> list[str]:
        """All that it has of root's."""
        if not self.drops_privileges:
            return []
        reading = [_CAPABILITY_TO_READ] if self.reads_all_files else []
        return sorted([*_CAPABILITIES_TO_DROP_PRIVILEGES, *reading])

    @property
    def entrypoint(self) -> list[str]:
        """The program that hands secrets and folders to the process, and then becomes it."""
        start = ["/bin/sh", START]
        if self.drops_privileges:
            start += ["--user", f"{self.user}:{self.user}"]
        for path in self._handed_over:
            start += ["--chown", path]
        if self.reads_all_files:
            start += ["--keep", _CAPABILITY_TO_READ.removeprefix("CAP_").lower()]
        return start

    @property
    def _handed_over(self) -> list[str]:
        own = [self.storage.path] if self.storage and self.storage.chown else []
        return [*own, *(folder.path for folder in self.host_folders)]

    @property
    def arguments(self) -> list[str]:
        """Arguments of the entrypoint: the process."""
        return ["--", *self.command]

    @property
    def secrets(self) -> dict[str, Secret]:
        """All texts with secrets in them, by the name of variable or file."""
        return dict(sorted({**self.secret_env, **self.secret_files}.items()))

    @property
    def handed_files(self) -> list[File]:
        """All files that it is handed, by path: first the plain ones."""
        # Nobody else is in the container, so a process that is not root may read what is root's;
        # one that drops its privileges has read it before.
        permissions = _OF_ROOT if self.drops_privileges else _PUBLIC
        plain = {START: script("start.sh"), **self.files}
        secret = {
            **{f"{SECRETS}/env/{name}": text for name, text in self.secret_env.items()},
            **{f"{SECRETS}/{name}": text for name, text in self.secret_files.items()},
        }
        return [
            *(File(path=path, content=plain[path], permissions=_PUBLIC) for path in sorted(plain)),
            *(
                File(path=path, content=secret[path], permissions=permissions)
                for path in sorted(secret)
            ),
        ]


@dataclass(frozen=True, kw_only=True)
class StackSpec:
    """A whole tenant, or a whole core.

    Attributes:
        slug: in the name of everything.
        services: each after those that it starts after.
        secrets: all that services and outputs refer to.
        outputs: addresses, logins and keys, by the name they are exported under.
    """

    slug: str
    services: Sequence[ServiceSpec]
    secrets: Sequence[SecretSpec]
    outputs: Mapping[str, str | Secret]

    def name(self, of: str) -> str:
        """Name of a container, network or volume."""
        return stack_name(self.slug, of)

    @property
    def stores(self) -> list[str]:
        """Names of the services that keep data."""
        return [service.name for service in self.services if service.storage]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The spec that a stack of Pulumi, or an export, brings up, with its secrets and its host.

    Attributes:
        spec: the tenant or the core.
        given: the secrets that others made, by name.
        docker_host: `unix://`, `tcp://` or `ssh://`.
        registries: addresses of those that the Docker CLI of this machine is logged in at.
    """

    spec: StackSpec
    given: Mapping[str, str]
    docker_host: str
    registries: Sequence[str]


def stack_name(slug: str, of: str) -> str:
    """Name of a container, network or volume on its host.

    A fixed one is also a guard: two databases on one volume would destroy it.

    Args:
        slug: the tenant or the core.
        of: name of the service or network.
    """
    return f"{slug}-{of}"


def http_healthcheck(url: str) -> str:
    """A health command: the URL answers with success, or what it answers instead is shown.

    Every Python image can do it.
    """
    return f"python3 -c '{_HTTP_HEALTHCHECK % url}'"


def script(name: str) -> str:
    """The text of a file in `components/scripts`."""
    return (package_files("components") / "scripts" / name).read_text(encoding="utf-8")
