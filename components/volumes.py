"""The volumes of a tenant: the customer's data."""

import pulumi
import pulumi_docker as docker

from components.host import Host
from components.labels import labels
from tenants.model import Tenant


class Volumes(pulumi.ComponentResource):
    """One volume each for PostgreSQL, Redis and Open WebUI.

    They are protected: `pulumi destroy` refuses to delete them, and `--exclude-protected`
    leaves them with their data for the next `up`.
    """

    postgres: pulumi.Output[str]
    redis: pulumi.Output[str]
    openwebui: pulumi.Output[str]

    def __init__(
        self, *, tenant: Tenant, host: Host, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudfreedom:tenant:Volumes", f"{tenant.slug}-volumes", None, opts)

        def volume(part: str) -> pulumi.Output[str]:
            name = f"{tenant.slug}-{part}"
            return docker.Volume(
                name,
                name=name,
                labels=[
                    docker.VolumeLabelArgs(label=label, value=value)
                    for label, value in labels(tenant, part).items()
                ],
                opts=host.options(
                    parent=self,
                    protect=True,
                    retain_on_delete=True,
                    # Each of these would replace the volume, that is, the data.
                    ignore_changes=["driver", "driverOpts", "labels"],
                ),
            ).name

        self.postgres = volume("postgres")
        self.redis = volume("redis")
        self.openwebui = volume("openwebui")
        self.register_outputs(
            {"postgres": self.postgres, "redis": self.redis, "openwebui": self.openwebui}
        )
