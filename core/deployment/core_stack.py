"""A core as resources of Pulumi."""

import pulumi

from components.docker.preflight import NOTHING, Survey
from components.docker.stack import DockerStack
from components.spec import Deployment


class CoreStack(DockerStack):
    """Everything that tenants share: networks, a volume, secrets and three containers.

    Attributes:
        outputs: addresses, logins and keys, by the name they are exported under. `tenants` is
            what tenants' stacks refer to.
    """

    def __init__(
        self,
        *,
        deployment: Deployment,
        found: Survey = NOTHING,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            "cloudfreedom:core:CoreStack", deployment=deployment, found=found, opts=opts
        )
