"""How stacks stand, as plain data: the form that `cloudfreedom status --json` prints."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MISSING = "missing"


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True)


class Difference(_Data):
    """Something of a container that is not as its spec says."""

    what: str = Field(description="Such as image, memory, or file PATH")
    wanted: str
    found: str


class ServiceStatus(_Data):
    """One service."""

    service: str
    state: str = Field(description="healthy, or what Docker says instead; missing if it is gone")
    image: str = Field("", description="That it runs")
    started: str = Field("", description="When its process was started last")
    restarts: int = Field(0, description="Starts that nobody asked for, since the container is")
    memory_mb: int = Field(0, description="Limit of its memory, in MiB")
    drift: Sequence[Difference] = ()


class BackupStatus(_Data):
    """The backups."""

    state: str = Field(description="fine, failed, stale or unproven")
    reason: str = Field("", description="The trouble; empty if there is none")
    made: str = Field("", description="When the last set was made")
    proven: str = Field("", description="When a set was last proven")


class GuardStatus(_Data):
    """The budget guard of a tenant that has a Billing API."""

    billing: str = Field(description="answers, or the trouble with the Billing API")
    outbox: int = Field(description="Events that wait for the Billing API")
    outbox_seconds: float = Field(description="How long the oldest of them waits")
    refused: int = Field(description="Events that the Billing API does not take")


class DiskStatus(_Data):
    """The disk that the containers are on."""

    used_percent: int
    free_mb: int


class StackStatus(_Data):
    """A tenant or a core."""

    name: str = Field(description="Of its file and its stack")
    kind: Literal["tenant", "core"]
    address: str = Field("", description="The Docker host")
    up: bool = Field(False, description="Whether any of its containers is there")
    problems: Sequence[str] = Field((), description="A sentence each; none if all is well")
    services: Sequence[ServiceStatus] = ()
    backup: BackupStatus | None = None
    guard: GuardStatus | None = None
    disk: DiskStatus | None = None
    databases_mb: Mapping[str, int] = Field({}, description="Sizes in MiB, by name")


class Report(_Data):
    """All stacks that were asked for."""

    stacks: Sequence[StackStatus]
