"""Usage, on its way to PocketBase."""

import asyncio
from collections.abc import Sequence

from core.services.billing.contract import EVENTS, ApiError, Event
from core.services.pocketbase import AwayError, PocketBase, RefusedError


class UsageLog:
    """Usage as PocketBase keeps it.

    It writes one transaction after the other, so single events that arrive during one share the
    next: half of what an event costs is its transaction.
    """

    def __init__(self, pocketbase: PocketBase) -> None:
        self._pocketbase = pocketbase
        self._writing = asyncio.Lock()
        self._waiting: list[Event] = []
        self._next: asyncio.Task[set[str]] | None = None

    async def add(self, given: Event | Sequence[Event]) -> dict[str, object]:
        """Log what was not logged before, and say what can not be.

        Raises:
            ApiError: the person of a single event is not known.
            AwayError: it may not be logged, and the same may work later.
        """
        try:
            if isinstance(given, Event):
                if given.request_id in await self._write_with_others(given):
                    raise ApiError(404, _unknown(given))
                return {"refused": []}
            refused = await self._write(given)
        except RefusedError as error:
            # The events follow the contract, so something else is wrong, and they wait for its end.
            raise AwayError(f"PocketBase does not log: {error}") from None
        unknown = [event for event in given if event.request_id in refused]
        return {
            "refused": [
                {"request_id": event.request_id, "message": _unknown(event)} for event in unknown
            ]
        }

    async def has(self, tenant: str, request_ids: Sequence[str]) -> bool:
        """Whether all of these events of a tenant are logged."""
        if not request_ids:
            return True
        ids = {f"id{number}": request_id for number, request_id in enumerate(set(request_ids))}
        some = " || ".join(f"request_id = {{{name}}}" for name in ids)
        values = {"tenant": tenant, **ids}
        found = await self._pocketbase.list(
            "usage_logs", f"tenant.slug = {{tenant}} && ({some})", values
        )
        return len(found) == len(ids)

    async def _write_with_others(self, event: Event) -> set[str]:
        self._waiting.append(event)
        self._next = self._next or asyncio.create_task(self._write_waiting())
        try:
            # Shielded, since whoever gives up waiting must not end it for the others.
            return await asyncio.shield(self._next)
        except RefusedError:
            # One of the events is to blame, or all together are too long.
            return await self._write([event])

    async def _write_waiting(self) -> set[str]:
        async with self._writing:
            events, self._waiting, self._next = self._waiting, [], None
            return await self._write(events)

    async def _write(self, events: Sequence[Event]) -> set[str]:
        """Ids of the requests whose people are not known; all others are logged."""
        # The hook in core/pocketbase/hooks/usage.pb.js.
        body = EVENTS.dump_json([*events], by_alias=True)
        answer = await self._pocketbase.post("/api/core/log-usage", body)
        return set(answer["refused"])


def _unknown(event: Event) -> str:
    return f"{event.user_id} is not known to the billing."
