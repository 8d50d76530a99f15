"""One container on a Docker host, as its spec says."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pulumi
import pulumi_docker as docker
import pulumi_random as random

from components.docker.aliases import service_before_specs
from components.docker.placement import Placement
from components.docker.secrets import Secrets
from components.docker.volumes import Volume
from components.labels import container_labels
from components.spec import Healthcheck, ServiceSpec
from schema.duration import go_duration

_SETTINGS = (".conf", ".json", ".yaml")

# The provider shows these as an update and then leaves the container as it was.
_REPLACE_ON_CHANGES = ["healthcheck", "init", "tmpfs"]


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
        spec: ServiceSpec,
        placement: Placement,
        networks: Sequence[pulumi.Output[str]],
        volumes: Mapping[str, Volume],
        secrets: Secrets,
        after: Sequence["Service"],
        stack: pulumi.Resource,
    ) -> None:
        name = placement.name(spec.name)
        aliases = service_before_specs(spec.name, name, stack)
        opts = pulumi.ResourceOptions(parent=stack, aliases=[*aliases])
        readable = _readable(spec, placement, secrets)
        super().__init__("cloudfreedom:docker:Service", name, readable, opts)
        self._marks = [mark for service in after for mark in service._marks]
        if spec.name in volumes:
            self._marks.append(volumes[spec.name].mark)
        image = docker.RemoteImage(
            name,
            name=spec.image.reference,
            keep_locally=True,  # other tenants of the host run the same image
            opts=placement.options(parent=self),
        )
        self._container = docker.Container(
            name,
            _container(
                spec,
                placement=placement,
                image_id=image.image_id,
                networks=networks,
                volumes=volumes,
                secrets=secrets,
            ),
            placement.options(
                parent=self,
                hooks=placement.container_hooks,
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
            keepers={"container": self._container.id, "memory": str(spec.resources.memory_mb)},
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=placement.ready_hooks(spec),
            ),
        )
        self.register_outputs({"container": self._container.name})


def _readable(spec: ServiceSpec, placement: Placement, secrets: Secrets) -> dict[str, Any]:
    """A container's files for a reviewer: Docker's provider shows none of them.

    Settings are shown as they are, code by its digest, secrets by a fingerprint.
    """
    return {
        "files": {
            path: text if path.endswith(_SETTINGS) else sha256(text.encode()).hexdigest()[:12]
            for path, text in spec.files.items()
        },
        "secrets": {
            name: placement.fingerprint(secrets.text(secret))
            for name, secret in spec.secrets.items()
        },
    }


def _container(
    spec: ServiceSpec,
    *,
    placement: Placement,
    image_id: pulumi.Input[str],
    networks: Sequence[pulumi.Output[str]],
    volumes: Mapping[str, Volume],
    secrets: Secrets,
) -> docker.ContainerArgs:
    """The provider's form of a spec."""
    return docker.ContainerArgs(
        name=placement.name(spec.name),
        image=image_id,
        labels=[
            docker.ContainerLabelArgs(label=label, value=value)
            for label, value in container_labels(placement.slug, spec.name).items()
        ],
        # the process
        entrypoints=spec.entrypoint,
        command=spec.arguments,
        envs=[f"{name}={value}" for name, value in sorted(spec.env.items())],
        uploads=[
            docker.ContainerUploadArgs(
                file=file.path,
                content=file.content
                if isinstance(file.content, str)
                else secrets.text(file.content),
                permissions=file.permissions,
            )
            for file in spec.handed_files
        ],
        init=True,
        restart="always",  # `unless-stopped` does not come back after an engine that was killed
        stop_signal=spec.stop_signal,
        stop_timeout=spec.stop_seconds,
        destroy_grace_seconds=spec.stop_seconds,
        # its hardening; a writable root is the exception, since uploads and a read-only
        # root exclude each other in Docker
        user=spec.start_user,
        capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=spec.capabilities),
        security_opts=["no-new-privileges:true"],
        memory=spec.resources.memory_mb,
        memory_swap=spec.resources.memory_mb,
        cpus=_cpus(spec.resources.cpus),
        shm_size=spec.shared_mb,
        tmpfs={"/tmp": f"size={spec.temporary_mb}m,mode=1777"},
        log_driver="json-file",
        log_opts={"max-file": str(spec.log_files), "max-size": f"{spec.log_mb}m"},
        # its surroundings
        networks_advanced=[
            docker.ContainerNetworksAdvancedArgs(name=network, aliases=[spec.name])
            for network in networks
        ],
        hosts=[
            docker.ContainerHostArgs(host=name, ip="host-gateway")
            for name in sorted(spec.extra_hosts)
        ],
        ports=[
            docker.ContainerPortArgs(internal=port.port, external=port.host_port, ip=port.address)
            for port in spec.ports
        ],
        mounts=list(_mounts(spec, volumes)),
        # when it is ready
        healthcheck=_healthcheck(spec.healthcheck),
        # The provider would wait for health alone, and never give up early: `Service` waits.
        wait=False,
        wait_timeout=spec.healthcheck.start_seconds,
    )


def _mounts(
    spec: ServiceSpec, volumes: Mapping[str, Volume]
) -> Iterator[docker.ContainerMountArgs]:
    if spec.storage:
        name = volumes[spec.name].name
        yield docker.ContainerMountArgs(type="volume", source=name, target=spec.storage.path)
    for shared in spec.shared_volumes:
        name = volumes[shared.service].name
        yield docker.ContainerMountArgs(
            type="volume", source=name, target=shared.path, read_only=True
        )
    for each in spec.host_folders:
        yield docker.ContainerMountArgs(type="bind", source=each.folder, target=each.path)


def _healthcheck(health: Healthcheck) -> docker.ContainerHealthcheckArgs:
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
