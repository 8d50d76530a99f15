"""The two networks of a tenant, and of the core."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_docker as docker

from components.docker.aliases import formerly
from components.docker.placement import Placement
from components.labels import labels
from components.spec import NETWORKS, NetworkSpec


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
        super().__init__(
            "cloudfreedom:docker:Networks",
            placement.name("networks"),
            None,
            formerly(opts, "tenant:Networks"),
        )
        self.names = {
            network.name: self._network(network, placement, after).name for network in NETWORKS
        }
        self.register_outputs(dict(self.names))

    def _network(
        self, spec: NetworkSpec, placement: Placement, after: Sequence[pulumi.Resource]
    ) -> docker.Network:
        name = placement.name(spec.name)
        return docker.Network(
            name,
            name=name,
            driver="bridge",
            internal=spec.internal,
            options=spec.options,
            labels=[
                docker.NetworkLabelArgs(label=label, value=value)
                for label, value in labels(placement.slug, spec.name).items()
            ],
            opts=placement.options(
                parent=self, hooks=placement.network_hooks, depends_on=list(after)
            ),
        )
