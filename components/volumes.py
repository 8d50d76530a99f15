"""The volumes of a tenant, and of the core: the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex

import pulumi
import pulumi_docker as docker
import pulumi_random as random

from components.host import Host
from components.labels import MARK, labels


@dataclass(frozen=True)
class Volume:
    """A volume of the Docker host.

    Attributes:
        name: its name there.
        mark: another value for one that was made anew, so that what uses it can follow.
    """

    name: pulumi.Output[str]
    mark: pulumi.Output[str]


class Volumes(pulumi.ComponentResource):
    """A volume for each part that keeps data.

    They are protected: `pulumi destroy` refuses to delete them, and `--exclude-protected`
    leaves them with their data for the next `up`.

    Attributes:
        names: each part's volume, by the part's name.
        resources: what else waits for, so that nothing is made beside the data of another state.
    """

    def __init__(
        self, *, parts: Sequence[str], host: Host, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudfreedom:tenant:Volumes", host.name("volumes"), None, opts)
        self.resources: list[pulumi.Resource] = []
        self.names = {part: self._volume(part, host) for part in parts}
        self.register_outputs({part: volume.name for part, volume in self.names.items()})

    def _volume(self, part: str, host: Host) -> Volume:
        name = host.name(part)
        there = name in host.found.volumes
        if host.found.owns("containers", host.slug) and not there:
            pulumi.log.warn(
                f"the volume {name} is gone from the Docker host: a new, empty one is made."
                " What was in it is lost unless it is restored from a backup"
            )
        mark = random.RandomUuid(
            f"{name}-volume",
            keepers={"made": token_hex(4) if host.found.address and not there else ""},
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["keepers"] if there else [],
            ),
        ).result
        labelled: dict[str, pulumi.Input[str]] = {**labels(host.slug, part), MARK: mark}
        volume = docker.Volume(
            name,
            name=name,
            labels=[
                docker.VolumeLabelArgs(label=label, value=value)
                for label, value in labelled.items()
            ],
            opts=host.options(
                parent=self,
                hooks=host.volume_hooks,
                protect=True,
                retain_on_delete=True,
                # Each of these would replace the volume, that is, the data.
                ignore_changes=["driver", "driverOpts", "labels"],
            ),
        )
        self.resources.append(volume)
        return Volume(volume.name, mark)
