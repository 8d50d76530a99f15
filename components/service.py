"""One container, hardened the same way for every part of a tenant and of the core.

What a container needs is said here in the project's own terms; only this module turns
them into Docker's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from importlib.resources import files as package_files
from typing import Any

import pulumi
import pulumi_docker as docker
import pulumi_random as random

from components.host import Host
from components.labels import labels
from components.volumes import Volume
from images.catalog import Image
from schema.types import Resources

START = "/opt/cloudfreedom/start.sh"
SECRETS = "/run/secrets"

# Handing over a volume and stepping down to another user needs these; the process itself
# has none. KILL lets the init process, still root, pass a stop signal on.
_STEP_DOWN_CAPABILITIES = ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"]

_ASK = """\
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen("%s")
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
except OSError as error:
    sys.exit(str(error))
"""

_SETTINGS = (".conf", ".json", ".yaml")

# The provider shows these as an update and then leaves the container as it was.
_REPLACE_ON_CHANGES = ["healthcheck", "init", "tmpfs"]


@dataclass(frozen=True, kw_only=True)
class Health:
    """When a container counts as ready: a shell command that ends with 0 then."""

    command: str
    start_seconds: int = 120
    interval_seconds: int = 10
    timeout_seconds: int = 5
    retries: int = 3


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A port of the container, published on one address of the host."""

    address: str
    host_port: int
    port: int


@dataclass(frozen=True, kw_only=True)
class Storage:
    """A named volume and where it is in the container.

    Attributes:
        hand_over: the image leaves the place to root, so it is given to the process's user.
    """

    volume: Volume
    path: str
    hand_over: bool = False


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """What a container is.

    Attributes:
        part: its name in the tenant or core, and on its networks.
        user: numeric user and group that its process runs as.
        command: its process, found on the image's PATH.
        limits: memory and processors.
        networks: names of the networks it is on.
        env: plain settings.
        secret_env: settings that only the process finds in its environment.
        files: plain text by absolute path.
        secret_files: secret text by name, in `SECRETS`.
        storage: where its data lives.
        listeners: the ports it publishes.
        core_hosts: names that lead to what the Docker host itself publishes.
        stop_signal: asks the process to stop.
        stop_seconds: how long it may take to.
        shared_mb: memory that its processes share; it counts for `limits`.
    """

    part: str
    image: Image
    user: int
    command: Sequence[str]
    limits: Resources
    networks: Sequence[pulumi.Input[str]]
    health: Health
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    secret_files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    storage: Storage | None = None
    listeners: Sequence[Listener] = ()
    core_hosts: Sequence[str] = ()
    stop_signal: str = "SIGTERM"
    stop_seconds: int = 30
    shared_mb: int = 64

    @property
    def steps_down(self) -> bool:
        """Whether the container starts as root to hand its storage over."""
        return self.storage is not None and self.storage.hand_over


class Service(pulumi.ComponentResource):
    """A running container, and the image it runs.

    It starts when all of `after` are ready; its image is fetched meanwhile. A volume of theirs or
    its own that is made anew makes it start anew: what it knows of the old data is wrong.
    """

    _marks: list[pulumi.Output[str]]
    _container: docker.Container
    _ready: pulumi.Resource

    def __init__(
        self,
        *,
        args: ServiceArgs,
        host: Host,
        after: Sequence["Service"] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        name = host.name(args.part)
        super().__init__("cloudfreedom:tenant:Service", name, _readable(args, host), opts)
        self._marks = [mark for service in after for mark in service._marks]
        if args.storage:
            self._marks.append(args.storage.volume.mark)
        image = docker.RemoteImage(
            name,
            name=args.image.reference,
            keep_locally=True,  # other tenants of the host run the same image
            opts=host.options(parent=self),
        )
        self._container = docker.Container(
            name,
            container_args(args, host, image.image_id),
            host.options(
                parent=self,
                hooks=host.container_hooks,
                depends_on=[
                    each for service in after for each in (service._container, service._ready)
                ],
                replace_on_changes=_REPLACE_ON_CHANGES,
                delete_before_replace=True,  # two containers on one volume would destroy it
                replacement_trigger=pulumi.Output.all(*self._marks) if self._marks else None,
            ),
        )
        # Made when the container is ready, and anew with each container.
        self._ready = random.RandomUuid(
            f"{name}-ready",
            keepers={"container": self._container.id, "memory": str(args.limits.memory_mb)},
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=host.ready_hooks(name, seconds=args.health.start_seconds),
            ),
        )
        self.register_outputs({"container": self._container.name})


def _readable(args: ServiceArgs, host: Host) -> dict[str, Any]:
    """What a reviewer sees of a container's files: Docker's provider shows none of them.

    Settings are shown as they are, code by its digest, secrets by a fingerprint.
    """
    return {
        "files": {
            path: text if path.endswith(_SETTINGS) else sha256(text.encode()).hexdigest()[:12]
            for path, text in args.files.items()
        },
        "secrets": {
            name: host.fingerprint(value)
            for name, value in sorted({**args.secret_env, **args.secret_files}.items())
        },
    }


def container_args(
    args: ServiceArgs, host: Host, image_id: pulumi.Input[str]
) -> docker.ContainerArgs:
    """Docker's form of a container of ours."""
    identity = f"{args.user}:{args.user}"
    step_down = ["--hand-over", identity, args.storage.path] if args.storage else []
    return docker.ContainerArgs(
        name=host.name(args.part),
        image=image_id,
        labels=[
            docker.ContainerLabelArgs(label=label, value=value)
            for label, value in labels(host.slug, args.part).items()
        ],
        # the process
        entrypoints=["/bin/sh", START, *(step_down if args.steps_down else [])],
        command=["--", *args.command],
        envs=[f"{name}={value}" for name, value in sorted(args.env.items())],
        uploads=_uploads(args),
        init=True,
        restart="always",  # `unless-stopped` does not come back after an engine that was killed
        stop_signal=args.stop_signal,
        stop_timeout=args.stop_seconds,
        destroy_grace_seconds=args.stop_seconds,
        # its hardening; a writable root is the exception, since uploads and a read-only
        # root exclude each other in Docker
        user="0:0" if args.steps_down else identity,
        capabilities=docker.ContainerCapabilitiesArgs(
            drops=["ALL"], adds=_STEP_DOWN_CAPABILITIES if args.steps_down else []
        ),
        security_opts=["no-new-privileges:true"],
        memory=args.limits.memory_mb,
        memory_swap=args.limits.memory_mb,
        cpus=_cpus(args.limits.cpus),
        shm_size=args.shared_mb,
        tmpfs={"/tmp": "size=128m,mode=1777"},
        log_driver="json-file",
        log_opts={"max-file": "3", "max-size": "10m"},
        # its surroundings
        networks_advanced=[
            docker.ContainerNetworksAdvancedArgs(name=network, aliases=[args.part])
            for network in args.networks
        ],
        hosts=[
            docker.ContainerHostArgs(host=name, ip="host-gateway")
            for name in sorted(args.core_hosts)
        ],
        ports=[
            docker.ContainerPortArgs(
                internal=listener.port, external=listener.host_port, ip=listener.address
            )
            for listener in args.listeners
        ],
        mounts=[
            docker.ContainerMountArgs(
                type="volume", source=args.storage.volume.name, target=args.storage.path
            )
        ]
        if args.storage
        else [],
        # when it is ready
        healthcheck=_healthcheck(args.health),
        # The provider would wait for health alone, and never give up early: `Service` waits.
        wait=False,
        wait_timeout=args.health.start_seconds,
    )


def _uploads(args: ServiceArgs) -> list[docker.ContainerUploadArgs]:
    # Uploads belong to root. Nobody else is in the container, so a process that is not
    # root may read them; one that steps down has read them before.
    secret_permissions = "0400" if args.steps_down else "0444"
    plain = {START: script("start.sh"), **args.files}
    secret = {
        **{f"{SECRETS}/env/{name}": value for name, value in args.secret_env.items()},
        **{f"{SECRETS}/{name}": value for name, value in args.secret_files.items()},
    }
    return [
        docker.ContainerUploadArgs(file=path, content=content, permissions=permissions)
        for contents, permissions in ((plain, "0444"), (secret, secret_permissions))
        for path, content in sorted(contents.items())
    ]


def _healthcheck(health: Health) -> docker.ContainerHealthcheckArgs:
    return docker.ContainerHealthcheckArgs(
        tests=["CMD-SHELL", health.command],
        interval=go_duration(health.interval_seconds),
        timeout=go_duration(health.timeout_seconds),
        retries=health.retries,
        start_period=go_duration(health.start_seconds),
        start_interval="1s",
    )


def _cpus(cpus: Decimal) -> str:
    """Processors in the form that the provider reads back: 2 is `2.0`, and 10 is `10.`."""
    text = f"{cpus:.1f}"
    return text.removesuffix("0") if text.endswith("0.0") else text


def go_duration(seconds: int) -> str:
    """Seconds in the form that the provider reads back: 90 is `1m30s`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def answers(url: str) -> str:
    """A health command: the URL answers with success, or what it answers instead is shown.

    Every Python image can do it.
    """
    return f"python3 -c '{_ASK % url}'"


def script(name: str) -> str:
    """The text of a file in `components/scripts`."""
    return (package_files("components") / "scripts" / name).read_text(encoding="utf-8")
