"""The Billing API: what tenants ask for budgets and tell of usage."""

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

PORT = 3000


class BillingApi(pulumi.ComponentResource):
    """The core's service for tenants, published where only containers of the host reach it."""

    def __init__(
        self,
        *,
        args: CorePartArgs,
        after: Service,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        core, secrets = args.core, args.secrets
        super().__init__("cloudfreedom:core:BillingApi", f"{core.slug}-billing", None, opts)
        service = ServiceArgs(
            part="billing",
            image=args.image,
            user=USER,
            command=[
                *("uvicorn", "core.services.billing.app:create", "--factory", "--no-access-log"),
                *("--host", "0.0.0.0", "--port", str(PORT)),
            ],
            limits=core.billing,
            networks=[args.networks.data, args.networks.apps],
            health=Health(command=answers(f"http://127.0.0.1:{PORT}/health")),
            env={"PYTHONPATH": CODE},
            files={SETTINGS: settings(core), **service_code("billing")},
            secret_files=secret_file(
                {
                    "pocketbase_password": secrets.services,
                    "operator_key": secrets.operator_key,
                    "tenant_keys": secrets.tenant_keys,
                    "first_passwords": secrets.first_passwords,
                }
            ),
            listeners=[
                Listener(address=args.config.host_gateway, host_port=core.billing.port, port=PORT)
            ],
        )
        child = pulumi.ResourceOptions(parent=self)
        Service(args=service, host=args.host, after=[after], opts=child)
        self.register_outputs({})
