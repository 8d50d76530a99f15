"""Identity and portal: where all people log in, and see what they spend."""

import pulumi

from components.service import Listener, Service
from core.deployment.part import CorePartArgs, python_service
from core.model import Core

PEOPLE, CONTAINERS = 8090, 8091
"""Ports of the container, for each of whom it serves."""


class Identity(pulumi.ComponentResource):
    """The core's service for people, and the tenants' identity provider."""

    def __init__(
        self,
        *,
        args: CorePartArgs,
        after: Service,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        core, secrets = args.core, args.secrets
        super().__init__("cloudfreedom:core:Identity", f"{core.slug}-identity", None, opts)
        service = python_service(
            args,
            "identity",
            app="core.services.web:create",
            ports=[PEOPLE, CONTAINERS],
            folders=["identity", "portal", "static", "templates", "texts"],
            secrets={
                "pocketbase_password": secrets.services,
                "client_secrets": secrets.client_secrets,
                "previous_client_secrets": secrets.previous_client_secrets,
                "storage_key": secrets.storage_key,
            },
            limits=core.identity,
            listeners=_listeners(core, str(args.config.host_gateway)),
        )
        child = pulumi.ResourceOptions(parent=self)
        Service(args=service, host=args.host, after=[after], opts=child)
        self.register_outputs({})


def _listeners(core: Core, host_gateway: str) -> list[Listener]:
    port = core.identity.port
    people = Listener(address=str(core.bind), host_port=port, port=PEOPLE)
    if core.bind.is_unspecified:  # all addresses of the host, the containers' way to it too
        return [people]
    return [people, Listener(address=host_gateway, host_port=port, port=CONTAINERS)]
