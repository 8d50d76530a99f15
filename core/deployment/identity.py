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

PORT = 8090
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
                *("uvicorn", "core.services.web:create", "--factory", "--no-access-log"),
                *("--host", "0.0.0.0", "--port", str(PORT), "--no-server-header"),
            ],
            limits=core.identity,
            networks=[args.networks.data, args.networks.apps],
            health=Health(command=answers(f"http://127.0.0.1:{PORT}/health")),
            env={"PYTHONPATH": CODE},
            files={SETTINGS: settings(core), **service_code(*_FOLDERS)},
            secret_files=secret_file(
                {
                    "pocketbase_password": secrets.services,
                    "client_secrets": secrets.client_secrets,
                    "storage_key": secrets.storage_key,
                }
            ),
            listeners=[
                Listener(address=address, host_port=core.identity.port, port=PORT)
                for address in _addresses(str(core.bind), args.config.host_gateway)
            ],
        )
        child = pulumi.ResourceOptions(parent=self)
        Service(args=service, host=args.host, after=[after], opts=child)
        self.register_outputs({})


def _addresses(people: str, containers: str) -> list[str]:
    """Sorted, as the provider reads them back; all addresses of the host include each."""
    return [people] if people in ("0.0.0.0", "::") else sorted({people, containers})
