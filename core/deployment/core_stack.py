"""A core as resources of Pulumi."""

from components.docker.stack import DockerStack


class CoreStack(DockerStack):
    """Everything that tenants share: networks, a volume, secrets and three containers.

    Attributes:
        outputs: addresses, logins and keys, by the name they are exported under. `tenants` is
            what tenants' stacks refer to.
    """

    type_name = "cloudfreedom:core:CoreStack"
