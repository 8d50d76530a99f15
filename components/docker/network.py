"""The two networks of a tenant, and of the core."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_docker as docker

from components.docker.placement import Placement
from components.labels import labels
from components.spec import APPS, DATA


class Networks(pulumi.ComponentResource):
    """The networks that specs speak of.

    Attributes:
        names: on the Docker host, by the name in a spec.
    """

    names: Mapping[str, pulumi.Output[str]]

    def __init__(
        self,
        *,
        placement: Placement,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        before = [pulumi.Alias(type_="cloudfreedom:tenant:Networks")]
        super().__init__(
            "cloudfreedom:docker:Networks",
            placement.name("networks"),
            None,
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=before)),
        )

        def network(network: str, *, internal: bool) -> docker.Network:
            name = placement.name(network)
            return docker.Network(
                name,
                name=name,
                driver="bridge",
                internal=internal,
                # Without it an internal network still leads to whatever its host listens on.
                options={"com.docker.network.bridge.inhibit_ipv4": "true"} if internal else {},
                labels=[
                    docker.NetworkLabelArgs(label=label, value=value)
                    for label, value in labels(placement.slug, network).items()
                ],
                opts=placement.options(
                    parent=self, hooks=placement.network_hooks, depends_on=list(after)
                ),
            )

        self.names = {
            DATA: network(DATA, internal=True).name,
            APPS: network(APPS, internal=False).name,
        }
        self.register_outputs(dict(self.names))
