"""Databases of a stack that take turns: the restored ones, the living ones, those that are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from docker.models.containers import Container

from backup.databases import PSQL, SUMS, differences, sums
from backup.files import OURS
from cli.running import RunningStack
from components.spec import stack_name
from schema.errors import UserError

_INCOMING, _KEPT, _DROPPED = "incoming", "kept", "dropped"
_RECONCILE = "/etc/cloudfreedom/postgres/reconcile.sql"


@dataclass(frozen=True, kw_only=True)
class Databases:
    """The databases of one PostgreSQL.

    Attributes:
        stack: that it belongs to.
        service: its name.
        on_restore: statements for restored databases, by name.
        foreign: dumps name roles that are not here.
    """

    stack: RunningStack
    service: str
    on_restore: Mapping[str, str]
    foreign: bool

    def check(self, names: Sequence[str]) -> None:
        """See that there are databases whose place the restored ones can take.

        Raises:
            UserError: one is not there.
        """
        if missing := sorted({*names} - {*self._names()}):
            raise UserError(
                f"{self.stack.slug} has no database {', '.join(missing)}, which the set has: let"
                " the file ask for it first, or use one that was made from the file of the set"
            )

    def load(self, name: str, wanted: Mapping[str, Any]) -> None:
        """Make a database of what was fetched, beside the living one.

        Args:
            name: of the database.
            wanted: rows and sums by table.

        Raises:
            UserError: it is not what was dumped.
        """
        beside = self.beside(name)
        self._sql(f'DROP DATABASE IF EXISTS "{beside}" WITH (FORCE)')
        self._sql(f'CREATE DATABASE "{beside}" OWNER "{name}"')
        dump = f"{self._volume}/{OURS}/incoming/{name}"
        owner = ["--no-owner", "--no-privileges", f"--role={name}"] if self.foreign else []
        self._execute(
            *("pg_restore", "--jobs=2", "--exit-on-error", *owner, f"--dbname={beside}", dump)
        )
        found = {name: sums(self._sql(SUMS, database=beside))}
        if problems := differences({name: dict(wanted)}, found):
            raise UserError("\n".join(problems))
        if statement := self.on_restore.get(name):
            self._sql(statement, database=beside)

    def beside(self, name: str) -> str:
        """Name of a restored database beside the living one."""
        return f"{name}.{_INCOMING}"

    def take(self, names: Sequence[str]) -> None:
        """Let the restored databases be the living ones, all of them or none."""
        renames = []
        for name in names:
            renames += [_rename(name, f"{name}.{_KEPT}"), _rename(self.beside(name), name)]
        self._all_or_none(renames)
        self._execute(*PSQL, "--dbname=postgres", f"--file={_RECONCILE}")

    def give_back(self) -> None:
        """Let those that were kept be the living ones again; the restored ones go."""
        there = self._names()
        renames = []
        kept = [each.removesuffix(f".{_KEPT}") for each in there if each.endswith(f".{_KEPT}")]
        for name in kept:
            if name in there:
                renames.append(_rename(name, f"{name}.{_DROPPED}"))
            renames.append(_rename(f"{name}.{_KEPT}", name))
        self._all_or_none(renames)
        self.clean()

    def clean(self) -> None:
        """Delete what a restore that did not come to its end has left."""
        self._drop(_INCOMING, _DROPPED)

    def forget(self) -> None:
        """Delete those that were kept; the living ones stay."""
        self._drop(_INCOMING, _DROPPED, _KEPT)

    def _drop(self, *kinds: str) -> None:
        for name in self._names():
            if name.endswith(tuple(f".{kind}" for kind in kinds)):
                self._sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _all_or_none(self, statements: Sequence[str]) -> None:
        if statements:
            self._sql("; ".join(["BEGIN", *statements, "COMMIT"]))

    def _names(self) -> list[str]:
        return self._sql("SELECT datname FROM pg_database").split()

    def _sql(self, text: str, *, database: str = "postgres") -> str:
        # psql reads \\gexec from its input, not from an argument.
        script = f'printf %s "$1" | {" ".join(PSQL)} --dbname "$2"'
        return self._execute("sh", "-c", script, "sh", text, database)

    def _execute(self, *command: str) -> str:
        return self.stack.execute(self._container, command)

    @property
    def _container(self) -> Container:
        return self.stack.existing(self.service)

    @property
    def _volume(self) -> str:
        """Place of the volume in the container."""
        name = stack_name(self.stack.slug, self.service)
        mounts = self._container.attrs["Mounts"]
        [place] = [str(each["Destination"]) for each in mounts if each.get("Name") == name]
        return place


def _rename(old: str, new: str) -> str:
    return f'ALTER DATABASE "{old}" RENAME TO "{new}"'
