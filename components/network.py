"""The two networks of a tenant, and of the core."""

from collections.abc import Sequence

import pulumi
import pulumi_docker as docker

from components.host import Host
from components.labels import labels


class Networks(pulumi.ComponentResource):
    """`data` has no way out, not even to its host; `apps` is where requests come and go.

    Attributes:
        data: name of the network of all containers.
        apps: name of the network of those that publish a port.
    """

    data: pulumi.Output[str]
    apps: pulumi.Output[str]

    def __init__(
        self,
        *,
        host: Host,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudfreedom:tenant:Networks", host.name("networks"), None, opts)

        def network(part: str, *, internal: bool) -> docker.Network:
            name = host.name(part)
            return docker.Network(
                name,
                name=name,
                driver="bridge",
                internal=internal,
                # Without it an internal network still leads to whatever its host listens on.
                options={"com.docker.network.bridge.inhibit_ipv4": "true"} if internal else {},
                labels=[
                    docker.NetworkLabelArgs(label=label, value=value)
                    for label, value in labels(host.slug, part).items()
                ],
                opts=host.options(parent=self, hooks=host.network_hooks, depends_on=list(after)),
            )

        self.data = network("data", internal=True).name
        self.apps = network("apps", internal=False).name
        self.register_outputs({"data": self.data, "apps": self.apps})
