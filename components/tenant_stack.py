"""A tenant as resources of Pulumi."""

import pulumi

from components.docker.preflight import NOTHING, Survey
from components.docker.stack import DockerStack
from components.spec import Deployment


class TenantStack(DockerStack):
    """Everything one customer has: networks, volumes, secrets and the containers of its services.

    Attributes:
        outputs: addresses, logins and keys, by the name they are exported under.
    """

    def __init__(
        self,
        *,
        deployment: Deployment,
        found: Survey = NOTHING,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            "cloudfreedom:tenant:TenantStack", deployment=deployment, found=found, opts=opts
        )
