"""A tenant as resources of Pulumi."""

from components.docker.stack import DockerStack


class TenantStack(DockerStack):
    """Everything one customer has: networks, volumes, secrets and the containers of its services.

    Attributes:
        outputs: addresses, logins and keys, by the name they are exported under.
    """

    type_name = "cloudfreedom:tenant:TenantStack"
