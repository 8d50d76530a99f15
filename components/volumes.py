"""The volumes of a tenant, and of the core: the data."""

from collections.abc import Sequence

import pulumi
import pulumi_docker as docker

from components.host import Host
from components.labels import labels


class Volumes(pulumi.ComponentResource):
    """A volume for each part that keeps data.

    They are protected: `pulumi destroy` refuses to delete them, and `--exclude-protected`
    leaves them with their data for the next `up`.

    Attributes:
        names: name of each part's volume on the host.
    """

    def __init__(
        self, *, parts: Sequence[str], host: Host, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudfreedom:tenant:Volumes", host.name("volumes"), None, opts)
        self.names = {part: self._volume(part, host) for part in parts}
        self.register_outputs(dict(self.names))

    def _volume(self, part: str, host: Host) -> pulumi.Output[str]:
        name = host.name(part)
        return docker.Volume(
            name,
            name=name,
            labels=[
                docker.VolumeLabelArgs(label=label, value=value)
                for label, value in labels(host.slug, part).items()
            ],
            opts=host.options(
                parent=self,
                protect=True,
                retain_on_delete=True,
                # Each of these would replace the volume, that is, the data.
                ignore_changes=["driver", "driverOpts", "labels"],
            ),
        ).name
