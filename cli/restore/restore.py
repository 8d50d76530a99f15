"""Restores a stack from a set of its own, or of another stack."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from backup.plan import PLAN, Plan, Source, plan_of
from cli.container_files import read_files
from cli.restore.exchange import Exchange, Manifest
from cli.restore.helper import Helper, helper_of
from cli.running import RunningStack
from components.services.backup import NAME as BACKUP
from schema.errors import UserError

_KINDS = ("databases", "keys", "files")


@dataclass(frozen=True)
class Restore:
    """Restores of one stack.

    Attributes:
        stack: its containers.
        report: tells whoever waits.
        source: whose sets they are; with `None` its own.
        kinds: of data that are restored, as `backup.plan.Source` names them.
    """

    stack: RunningStack
    report: Callable[[str], None]
    source: RunningStack | None = None
    kinds: Sequence[str] = _KINDS

    @property
    def services(self) -> list[str]:
        """Services whose data are restored, databases first."""
        return [each.service for each in self._sources]

    def run(self, set_id: str) -> str:
        """Put a set in the place of the living data, which are kept.

        Args:
            set_id: of the set, or `latest`.

        Returns:
            The ID of the set.

        Raises:
            UserError: it did not work; the living data are as they were.
        """
        exchange = self._exchange
        manifest = exchange.replace(lambda: self._fetch(exchange.helper, set_id))
        self.report(f"The set {manifest['id']} of {manifest['made']} is in place")
        return str(manifest["id"])

    def beside(self, set_id: str) -> list[str]:
        """Write a set beside the living data; see `Exchange.beside`."""
        exchange = self._exchange
        return exchange.beside(lambda: self._fetch(exchange.helper, set_id))

    def give_back(self) -> None:
        """See `Exchange.give_back`."""
        self._exchange.give_back()

    def forget(self) -> None:
        """See `Exchange.forget`."""
        self._exchange.forget()

    def _fetch(self, helper: Helper, set_id: str) -> Manifest:
        fetched = helper.run("fetch", set_id, *self.services)
        manifest: Manifest = json.loads(fetched)
        if manifest["slug"] != self._source.slug:
            raise UserError(f"the set is of {manifest['slug']}, not of {self._source.slug}")
        return manifest

    @property
    def _exchange(self) -> Exchange:
        return Exchange(
            stack=self.stack,
            sources=self._sources,
            helper=helper_of(self._source, self.stack, self.services),
            report=self.report,
        )

    @property
    def _source(self) -> RunningStack:
        return self.source or self.stack

    @property
    def _sources(self) -> list[Source]:
        return [each for each in self._plan.sources if each.kind in self.kinds]

    @cached_property
    def _plan(self) -> Plan:
        container = self._source.existing(BACKUP, running=False)
        return plan_of(read_files(container, str(PLAN))[str(PLAN)].decode())
