"""Steps of a restore that write into the volumes of a stack."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from docker.models.containers import Container
from docker.types import Mount

from cli.restore.one_off import OneOff
from cli.running import RunningStack
from components.labels import container_labels
from components.services.backup import FILES
from components.services.backup import NAME as BACKUP
from components.spec import APPS, SECRETS, START, stack_name

NAME = "restore"
"""As a service, beside those of the stack; one that was killed may have left it."""

_TARGETS = "/targets"
# To write into volumes of every user, and to leave what is there to whom it belonged.
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER"]


@dataclass(frozen=True)
class Helper:
    """Runs commands of `backup/` with the files and secrets of the stack's backup container.

    Attributes:
        stack: whose volumes are written.
        services: whose volumes they are.
    """

    stack: RunningStack
    services: Sequence[str]

    def run(self, *command: str) -> str:
        """See `OneOff.run`."""
        source = self.stack.containers[BACKUP]
        networks = source.attrs["NetworkSettings"]["Networks"]
        way_out = stack_name(self.stack.slug, APPS)
        return OneOff(
            client=self.stack.client,
            image=source.attrs["Image"],
            name=stack_name(self.stack.slug, NAME),
            archives={
                folder.rpartition("/")[0]: b"".join(source.get_archive(folder)[0])
                for folder in (START.rpartition("/")[0], FILES, SECRETS)
            },
            mounts=list(self._mounts(source)),
            network=way_out if way_out in networks else "none",
            capabilities=_CAPABILITIES,
            labels=container_labels(self.stack.slug, NAME),
            environment=source.attrs["Config"]["Env"],
        ).run(*command)

    def _mounts(self, source: Container) -> Iterator[Mount]:
        for each in source.attrs["Mounts"]:
            name = each["Name"] if each["Type"] == "volume" else each["Source"]
            yield Mount(each["Destination"], name, type=each["Type"], read_only=not each["RW"])
        for service in self.services:
            yield Mount(f"{_TARGETS}/{service}", stack_name(self.stack.slug, service))
