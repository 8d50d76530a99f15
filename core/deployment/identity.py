"""Identity and portal: where all people log in, and see what they spend."""

import pulumi

from components.service import Health, Listener, Service, ServiceArgs, answers
from core.deployment.part import (
    CODE,
    SETTINGS,
    USER,
    CorePartArgs,
    secret_file,
    service_code,
    settings,
)
from core.model import Core

PEOPLE, CONTAINERS = 8090, 8091
"""Ports of the container, for each of whom it serves."""

_FOLDERS = ("identity", "portal", "static", "templates", "texts")


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
        service = ServiceArgs(
            part="identity",
            image=args.image,
            user=USER,
            command=[
                *("python3", "-m", "core.services.serve", str(PEOPLE), str(CONTAINERS)),
            ],
            limits=core.identity,
            networks=[args.networks.data, args.networks.apps],
            health=Health(command=answers(f"http://127.0.0.1:{PEOPLE}/health")),
            env={"PYTHONPATH": CODE},
            files={SETTINGS: settings(core), **service_code(*_FOLDERS)},
            secret_files=secret_file(
                {
                    "pocketbase_password": secrets.services,
                    "client_secrets": secrets.client_secrets,
                    "storage_key": secrets.storage_key,
                }
            ),
            listeners=_listeners(core, args.config.host_gateway),
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
