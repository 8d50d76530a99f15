"""The volumes of a tenant, and of the core: the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex

import pulumi
import pulumi_docker as docker
import pulumi_random as random

from components.docker.aliases import formerly
from components.docker.placement import Placement
from components.labels import MARK, labels
from components.spec import ServiceSpec


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
    """A volume for each service that keeps data.

    They are protected, but for disposable ones: `pulumi destroy` refuses to delete them, and
    `--exclude-protected` leaves them with their data for the next `up`.

    Attributes:
        volumes: each service's, by its name.
        resources: what else waits for, so that nothing is made beside the data of another state.
    """

    def __init__(
        self,
        *,
        services: Sequence[ServiceSpec],
        placement: Placement,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            "cloudfreedom:docker:Volumes",
            placement.name("volumes"),
            None,
            formerly(opts, "tenant:Volumes"),
        )
        self.resources: list[pulumi.Resource] = []
        self.volumes = {
            spec.name: self._volume(
                spec.name, placement, kept=not (spec.storage and spec.storage.disposable)
            )
            for spec in services
        }
        self.register_outputs({service: each.name for service, each in self.volumes.items()})

    def _volume(self, service: str, placement: Placement, *, kept: bool) -> Volume:
        name, found = placement.name(service), placement.found
        there = name in found.volumes
        if kept and found.owns("containers", placement.slug) and not there:
            pulumi.log.warn(
                f"the volume {name} is gone from the Docker host: a new, empty one is made."
                " What was in it is lost unless it is restored from a backup"
            )
        mark = random.RandomUuid(
            f"{name}-volume",
            keepers={"made": token_hex(4) if found.address and not there else ""},
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["keepers"] if there else [],
            ),
        ).result
        labelled: dict[str, pulumi.Input[str]] = {**labels(placement.slug, service), MARK: mark}
        volume = docker.Volume(
            name,
            name=name,
            labels=[
                docker.VolumeLabelArgs(label=label, value=value)
                for label, value in labelled.items()
            ],
            opts=placement.options(
                parent=self,
                hooks=placement.volume_hooks,
                protect=kept,
                retain_on_delete=kept,
                # Each of these would replace the volume, that is, the data.
                ignore_changes=["driver", "driverOpts", "labels"],
            ),
        )
        self.resources.append(volume)
        return Volume(volume.name, mark)
