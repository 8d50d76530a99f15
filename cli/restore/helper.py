"""Steps of a restore that write into the volumes of a stack."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from docker.models.containers import Container
from docker.types import Mount

from cli.restore.one_off import OneOff
from cli.running import RunningStack
from components.labels import container_labels
from components.services.backup import FILES
from components.services.backup import NAME as BACKUP
from components.spec import APPS, SECRETS, START, stack_name
from schema.errors import UserError

NAME = "restore"
"""As a service, beside those of the stack; one that was killed may have left it."""

_TARGETS = "/targets"
# To write into volumes of every user, and to leave what is there to whom it belonged.
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER"]


@dataclass(frozen=True, kw_only=True)
class Helper:
    """Runs commands of `backup/` with the volumes of a stack.

    Attributes:
        stack: whose volumes are written.
        services: whose volumes they are.
        image: that it runs.
        archives: see `OneOff`.
        mounts: volumes and folders beside those of the services.
        network: see `OneOff`.
        environment: plain settings.
    """

    stack: RunningStack
    services: Sequence[str]
    image: str
    archives: Mapping[str, bytes]
    mounts: Sequence[Mount]
    network: str
    environment: Sequence[str]

    def run(self, *command: str) -> str:
        """See `OneOff.run`."""
        targets = [
            Mount(f"{_TARGETS}/{service}", stack_name(self.stack.slug, service))
            for service in self.services
        ]
        return OneOff(
            client=self.stack.client,
            image=self.image,
            name=stack_name(self.stack.slug, NAME),
            archives=self.archives,
            mounts=[*self.mounts, *targets],
            network=self.network,
            capabilities=_CAPABILITIES,
            labels=container_labels(self.stack.slug, NAME),
            environment=self.environment,
        ).run(*command)


def helper_of(source: RunningStack, stack: RunningStack, services: Sequence[str]) -> Helper:
    """The helper that has the files and secrets of a backup container.

    Args:
        source: whose backup container it is.
        stack: whose volumes are written; on another Docker host it has a backup container, too.
        services: whose volumes they are.

    Raises:
        UserError: the other host has no backup container, or cannot reach the repository.
    """
    container = source.existing(BACKUP, running=False)
    on_one_host = source.address == stack.address
    own = container if on_one_host else stack.existing(BACKUP, running=False)
    folders = [mount for mount in container.attrs["Mounts"] if mount["Type"] == "bind"]
    if folders and not on_one_host:
        raise UserError(
            f"the repository of {source.slug} is the folder {folders[0]['Source']} of"
            f" {source.address}, which {stack.address} cannot read"
        )
    way_out = stack_name(source.slug, APPS) in container.attrs["NetworkSettings"]["Networks"]
    return Helper(
        stack=stack,
        services=services,
        image=str(own.attrs["Image"]),
        archives={
            folder.rpartition("/")[0]: b"".join(container.get_archive(folder)[0])
            for folder in (START.rpartition("/")[0], FILES, SECRETS)
        },
        mounts=list(_mounts(container)) if on_one_host else [],
        network=stack_name((source if on_one_host else stack).slug, APPS) if way_out else "none",
        environment=container.attrs["Config"]["Env"],
    )


def _mounts(container: Container) -> Iterator[Mount]:
    for each in container.attrs["Mounts"]:
        name = each["Name"] if each["Type"] == "volume" else each["Source"]
        yield Mount(each["Destination"], name, type=each["Type"], read_only=not each["RW"])
