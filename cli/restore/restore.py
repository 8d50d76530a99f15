"""Restores a stack from one of its sets, beside its living data, and switches."""

import io
import json
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from docker.models.containers import Container

from backup.plan import PLAN, Plan, plan_of
from backup.restore import Phase
from cli.restore.databases import Databases
from cli.restore.helper import NAME as HELPER
from cli.restore.helper import Helper
from cli.running import RunningStack
from components.services.backup import NAME as BACKUP
from schema.errors import UserError

_READY_SECONDS = 300


@dataclass(frozen=True)
class Restore:
    """Restores of one stack.

    Attributes:
        stack: its containers.
        report: tells whoever waits.
    """

    stack: RunningStack
    report: Callable[[str], None]

    def run(self, set_id: str) -> None:
        """Put a set in the place of the living data, which are kept.

        Args:
            set_id: of the set, or `latest`.

        Raises:
            UserError: it did not work; the living data are as they were.
        """
        manifest = self._write_beside(set_id)
        try:
            self._switch()
        except BaseException:
            self.report("It did not work: the data from before come back")
            self._return()
            raise
        self.report(f"The set {manifest['id']} of {manifest['made']} is in place; all log in again")

    def beside(self, set_id: str) -> list[str]:
        """Write a set beside the living data, and leave it there to take something out of it.

        It is there until `forget`, or the next restore.

        Args:
            set_id: of the set, or `latest`.

        Returns:
            The names of its databases.

        Raises:
            UserError: it did not work.
        """
        self._write_beside(set_id)
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
        self._helper.run("forget", *self._services)

    def _write_beside(self, set_id: str) -> dict[str, Any]:
        """Write a set beside the living data, compare it, and return what it says of itself."""
        self._check_phase()
        try:
            manifest = self._fetch(set_id)
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
        return Phase(self._helper.run("phase").strip())

    def _fetch(self, set_id: str) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self._helper.run("fetch", set_id))
        if manifest["slug"] != self.stack.slug:
            raise UserError(f"the set is of {manifest['slug']}, not of {self.stack.slug}")
        return manifest

    def _switch(self) -> None:
        self._stop()
        # It writes down that the switch has begun, so it is the first.
        self._helper.run("take", *self._volumes)
        for databases, names in self._databases:
            databases.take(names)
        self._start()
        self._helper.run("finish", *self._services)

    def _return(self) -> None:
        self._stop()
        for databases, _ in self._databases:
            databases.give_back()
        self._helper.run("give-back", *self._volumes)
        self._start()

    def _clean(self) -> None:
        """Delete what was fetched; nothing of the living data has been touched."""
        for databases, _ in self._databases:
            databases.clean()
        self._helper.run("forget", *self._services)

    def _stop(self) -> None:
        """Stop all services but PostgreSQL, whose databases take turns while it runs."""
        self.report("Stopping the services ...")
        for service, container in self._containers.items():
            if service not in self._servers:
                container.stop()

    def _start(self) -> None:
        self.report("Starting the services ...")
        waiting = self._containers
        for container in waiting.values():
            container.start()
        deadline = time.monotonic() + _READY_SECONDS
        while waiting:
            for service, container in list(waiting.items()):
                container.reload()
                if container.attrs["State"].get("Health", {}).get("Status") == "healthy":
                    del waiting[service]
            if waiting and time.monotonic() > deadline:
                raise UserError(f"not ready within {_READY_SECONDS} s: {', '.join(waiting)}")
            time.sleep(0.5)

    @property
    def _containers(self) -> dict[str, Container]:
        """Of the services alone."""
        found = self.stack.containers.items()
        return {service: container for service, container in found if service != HELPER}

    @cached_property
    def _plan(self) -> Plan:
        archive, _ = self.stack.existing(BACKUP, running=False).get_archive(str(PLAN))
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
            file = tar.extractfile(PLAN.name)
            return plan_of(file.read().decode() if file else "")

    @property
    def _helper(self) -> Helper:
        return Helper(self.stack, self._services)

    @property
    def _services(self) -> list[str]:
        return [source.service for source in self._plan.sources]

    @property
    def _volumes(self) -> list[str]:
        """Services whose volumes take turns."""
        return [each.service for each in self._plan.sources if each.kind != "databases"]

    @property
    def _servers(self) -> list[str]:
        return [each.service for each in self._plan.sources if each.kind == "databases"]

    @property
    def _databases(self) -> list[tuple[Databases, list[str]]]:
        return [
            (Databases(self.stack, each.service, each.on_restore), list(each.databases))
            for each in self._plan.sources
            if each.kind == "databases"
        ]
