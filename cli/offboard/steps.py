"""The steps of the end of a customer, in their order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cli.export.export import FILES
from cli.offboard.export_data import export_data
from cli.offboard.state import remove_from_state
from cli.running import RunningStack
from components.services.backup import NAME as BACKUP
from schema.errors import UserError

_BILLING = "billing"


@dataclass(frozen=True)
class Step:
    """Something that is done once it is confirmed.

    Attributes:
        title: says what is done.
        act: does it.
    """

    title: str
    act: Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Offboarding:
    """The end of a customer.

    Attributes:
        name: of the stack.
        stack: its containers.
        root: folder of the Pulumi project.
        export: folder for the data, which is made; none are exported without.
        core: that knows its people and budgets, if it is one of this project.
        backups: the sets are deleted, too.
        state: the stack is Pulumi's.
        exported: folder of the Compose project that made it, if one did.
    """

    name: str
    stack: RunningStack
    root: Path
    export: Path | None
    core: RunningStack | None
    backups: bool
    state: bool
    exported: Path | None = None

    def steps(self) -> Iterator[Step]:
        """The steps. Nothing is done before the first is taken."""
        slug = self.stack.slug
        if self.export:
            yield Step(
                f"Export the accounts, chats and files of {slug} to {self.export}",
                partial(export_data, self.stack, self.export),
            )
        if self.core:
            yield Step(
                f"Erase the people, budgets and usage of {slug} in {self.core.slug}",
                partial(_run, self.core, _BILLING, f"core.services.billing.erasure {slug}"),
            )
        if self.backups and BACKUP in self.stack.containers:
            yield Step(
                f"Delete all sets of the backups of {slug}",
                partial(_run, self.stack, BACKUP, "backup erase"),
            )
        yield Step(
            f"Delete the containers, networks and volumes of {slug} on {self.stack.address},"
            " with all data",
            self.stack.remove,
        )
        if self.state:
            yield Step(
                f"Delete the stack {self.name} from Pulumi's state, with its secrets",
                partial(remove_from_state, self.name, self.root),
            )
        if self.exported:
            yield Step(
                f"Delete the secrets and the files of the export in {self.exported}",
                partial(_delete, *(self.exported / name for name in FILES)),
            )
        yield Step(
            f"Delete the files of {self.name}",
            partial(
                _delete,
                self.root / "tenants" / f"{self.name}.yaml",
                self.root / f"Pulumi.{self.name}.yaml",
            ),
        )


def _delete(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _run(stack: RunningStack, service: str, module: str) -> None:
    command = ["python3", "-m", *module.split()]
    if stack.run_as_process(stack.existing(service), command):
        raise UserError(f"{stack.slug}: it says why above; the steps before are done")
