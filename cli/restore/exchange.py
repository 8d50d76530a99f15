"""Data that are written beside the living ones of a stack, and then take turns with them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker.models.containers import Container

from backup.plan import Source
from backup.restore import Phase
from cli.restore.databases import Databases
from cli.restore.helper import NAME as HELPER
from cli.restore.helper import Helper
from cli.restore.services import start, stop
from cli.running import RunningStack
from schema.errors import UserError

Manifest = dict[str, Any]
Fetch = Callable[[], Manifest]
"""Writes data beside the living ones, and returns what they say of themselves."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """The exchange of a stack's data.

    Attributes:
        stack: its containers.
        sources: of the data, databases first.
        helper: writes into its volumes.
        report: tells whoever waits.
        foreign: dumps name roles that the stack does not have.
    """

    stack: RunningStack
    sources: Sequence[Source]
    helper: Helper
    report: Callable[[str], None]
    foreign: bool = False

    def replace(self, fetch: Fetch) -> Manifest:
        """Put data in the place of the living ones, which are kept.

        Args:
            fetch: writes them beside the living ones.

        Returns:
            What they say of themselves.

        Raises:
            UserError: it did not work; the living data are as they were.
        """
        manifest = self._write_beside(fetch)
        try:
            self._switch()
        except BaseException:
            self.report("It did not work: the data from before come back")
            self._return()
            raise
        return manifest

    def beside(self, fetch: Fetch) -> list[str]:
        """Leave data beside the living ones, to take something out of them.

        They are there until `forget`, or the next exchange.

        Args:
            fetch: writes them there.

        Returns:
            The names of the databases.

        Raises:
            UserError: it did not work.
        """
        self._write_beside(fetch)
        return [databases.beside(name) for databases, names in self._databases for name in names]

    def give_back(self) -> None:
        """Put the data from before the last restore in their place again.

        Raises:
            UserError: there are none.
        """
        if self._phase in (Phase.NONE, Phase.FETCHING):
            raise UserError("no data from before a restore are kept")
        self._return()

    def forget(self) -> None:
        """Delete the data from before the last restore.

        Raises:
            UserError: the restore did not come to its end.
        """
        if self._phase == Phase.SWITCHING:
            raise UserError("the last restore was interrupted: put the data back with `--back`")
        for databases, _ in self._databases:
            databases.forget()
        self.helper.run("forget", *self._services)

    def _write_beside(self, fetch: Fetch) -> Manifest:
        """Write data beside the living ones, and compare them with what they say of themselves."""
        self._check_phase()
        for databases, names in self._databases:
            databases.check(names)
        try:
            manifest = fetch()
            for databases, names in self._databases:
                for name in names:
                    databases.load(name, manifest["facts"][databases.service][name])
                    self.report(f"{name}: every table is as it was dumped")
        except BaseException:
            with suppress(UserError):
                self._clean()
            raise
        return manifest

    def _check_phase(self) -> None:
        phase = self._phase
        if phase == Phase.DONE:
            raise UserError(
                "the data from before the last restore are still kept: put them back with `--back`,"
                " or delete them with `--forget`"
            )
        if phase == Phase.FETCHING:
            self._clean()
        if phase == Phase.SWITCHING:
            self.report("The last restore was interrupted: the data from before come back first")
            self._return()

    @property
    def _phase(self) -> Phase:
        return Phase(self.helper.run("phase").strip())

    def _switch(self) -> None:
        self._stop()
        # It writes down that the switch has begun, so it is the first.
        self.helper.run("take", *self._volumes)
        for databases, names in self._databases:
            databases.take(names)
        self._start()
        self.helper.run("finish", *self._services)

    def _return(self) -> None:
        self._stop()
        for databases, _ in self._databases:
            databases.give_back()
        self.helper.run("give-back", *self._volumes)
        self._start()

    def _clean(self) -> None:
        """Delete what was fetched; nothing of the living data has been touched."""
        for databases, _ in self._databases:
            databases.clean()
        self.helper.run("forget", *self._services)

    def _stop(self) -> None:
        """Stop all services but PostgreSQL, whose databases take turns while it runs."""
        self.report("Stopping the services ...")
        stop(
            container
            for service, container in self._containers.items()
            if service not in self._servers
        )

    def _start(self) -> None:
        self.report("Starting the services ...")
        start(self._containers)

    @property
    def _containers(self) -> dict[str, Container]:
        """Of the services alone."""
        found = self.stack.containers.items()
        return {service: container for service, container in found if service != HELPER}

    @property
    def _services(self) -> list[str]:
        return [each.service for each in self.sources]

    @property
    def _volumes(self) -> list[str]:
        """Services whose volumes take turns."""
        return [each.service for each in self.sources if each.kind != "databases"]

    @property
    def _servers(self) -> list[str]:
        return [each.service for each in self.sources if each.kind == "databases"]

    @property
    def _databases(self) -> list[tuple[Databases, list[str]]]:
        return [
            (
                Databases(
                    stack=self.stack,
                    service=each.service,
                    on_restore=each.on_restore,
                    foreign=self.foreign,
                ),
                list(each.databases),
            )
            for each in self.sources
            if each.kind == "databases"
        ]
