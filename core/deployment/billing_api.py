"""The Billing API: what tenants ask for budgets and tell of usage."""

import pulumi

from components.service import Listener, Service
from core.deployment.part import CorePartArgs, python_service

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
        service = python_service(
            args,
            "billing",
            app="core.services.billing.app:create",
            ports=[PORT],
            folders=["billing"],
            secrets={
                "pocketbase_password": secrets.services,
                "operator_key": secrets.operator_key,
                "tenant_keys": secrets.tenant_keys,
                "previous_tenant_keys": secrets.previous_tenant_keys,
                "first_passwords": secrets.first_passwords,
                "long_first_passwords": secrets.long_first_passwords,
            },
            limits=core.billing,
            listeners=[
                Listener(
                    address=str(args.config.host_gateway), host_port=core.billing.port, port=PORT
                )
            ],
        )
        child = pulumi.ResourceOptions(parent=self)
        Service(args=service, host=args.host, after=[after], opts=child)
        self.register_outputs({})
