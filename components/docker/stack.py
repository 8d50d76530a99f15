"""A whole tenant or core on a Docker host."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.docker.network import Networks
from components.docker.placement import place
from components.docker.preflight import NOTHING, Survey
from components.docker.secrets import Secrets
from components.docker.service import Service
from components.docker.volumes import Volumes
from components.spec import Deployment


class DockerStack(pulumi.ComponentResource):
    """Networks, volumes, secrets and services of a tenant or a core.

    Args:
        deployment: what is brought up, and where.
        found: what is on the host already; nothing if no host was asked.

    Attributes:
        type_name: of the component.
        outputs: addresses, logins and keys, by the name they are exported under.
    """

    type_name = "cloudfreedom:docker:Stack"
    outputs: Mapping[str, Any]

    def __init__(
        self,
        *,
        deployment: Deployment,
        found: Survey = NOTHING,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        spec = deployment.spec
        super().__init__(self.type_name, spec.slug, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        placement = place(deployment, found, parent=self)
        volumes = Volumes(
            services=[service for service in spec.services if service.storage],
            placement=placement,
            opts=child,
        )
        secrets = Secrets(slug=spec.slug, specs=spec.secrets, given=deployment.given, opts=child)
        networks = Networks(placement=placement, after=volumes.resources, opts=child)
        services: dict[str, Service] = {}
        for service in spec.services:
            services[service.name] = Service(
                spec=service,
                placement=placement,
                networks=[networks.names[name] for name in service.networks],
                volumes=volumes.volumes,
                secrets=secrets,
                after=[services[name] for name in service.after],
                stack=self,
            )
        self.outputs = {name: secrets.output(value) for name, value in spec.outputs.items()}
        self.register_outputs(dict(self.outputs))
