"""Whose the data of a demo on this Docker host is: this checkout's, or another's."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from docker import DockerClient

from components.labels import TENANT
from schema.errors import UserError
from schema.private_file import write_private


class OthersDataError(UserError):
    """The Docker host has the data of another demo; the text tells the ways out."""


class DemoData:
    """The volumes of the demo, and the record of those that this checkout has made.

    Args:
        record: the file with the record: a volume made anew has another time.
        slugs: of the core and the tenant.
    """

    def __init__(self, record: Path, slugs: Sequence[str] = ("core", "demo")) -> None:
        self._record, self._slugs = record, slugs

    def refuse_others(self, client: DockerClient, *, in_use: bool) -> None:
        """See to it that all data of a demo on the host is this checkout's own.

        Args:
            client: of the Docker host.
            in_use: whether this checkout has a demo: an `up` that was killed has made volumes
                and recorded none.

        Raises:
            OthersDataError: it is not; its passwords would not be those of this checkout.
        """
        recorded, there = self._recorded(), self._volumes(client)
        others = {
            name: made
            for name, made in there.items()
            if recorded.get(name, made if in_use else "") != made
        }
        if others:
            raise OthersDataError(self._refusal(client, sorted(others)))

    def remember(self, client: DockerClient) -> None:
        """Record the volumes that are there as this checkout's own."""
        write_private(self._record, json.dumps(self._volumes(client), indent=2) + "\n")

    def deletion(self, client: DockerClient) -> str:
        """The command that deletes the demo's data, and whatever of it still runs."""
        containers: list[str] = []
        networks: list[str] = []
        for slug in self._slugs:
            label: dict[str, str | list[str] | bool] = {"label": f"{TENANT}={slug}"}
            found = client.containers.list(all=True, filters=label)
            containers += sorted(str(container.name) for container in found)
            networks += sorted(str(network.name) for network in client.networks.list(filters=label))
        things = {
            "rm --force": containers,
            "network rm": networks,
            "volume rm": sorted(self._volumes(client)),
        }
        return " && ".join(
            f"docker {command} {' '.join(names)}" for command, names in things.items() if names
        )

    def _recorded(self) -> dict[str, str]:
        if not self._record.exists():
            return {}
        recorded: dict[str, str] = json.loads(self._record.read_text(encoding="utf-8"))
        return recorded

    def _refusal(self, client: DockerClient, others: Sequence[str]) -> str:
        folder = self._record.parent
        ours = f"{folder.parent.name}/{folder.name}"
        return (
            f"This Docker host has the data of another demo ({', '.join(others)}): of another"
            f" checkout, or of this one before its folder {folder.parent.name} was deleted. The"
            " passwords of that data are not known here; nothing was changed. Either\n"
            f"  go on with it: run make in the checkout that made it, or copy its folder {ours}\n"
            "  here and run make again; or\n"
            "  delete it, which nobody can undo:\n"
            f"    {self.deletion(client)} && rm -rf {ours}"
        )

    def _volumes(self, client: DockerClient) -> Mapping[str, str]:
        """Time at which each volume was made, by its name."""
        found = (
            volume
            for slug in self._slugs
            for volume in client.volumes.list(filters={"label": f"{TENANT}={slug}"})
        )
        return {str(volume.name): str(volume.attrs["CreatedAt"]) for volume in found}
