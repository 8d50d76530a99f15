"""Backups of the core's data, as the service that makes them tells."""

from datetime import UTC, datetime
from time import monotonic

import aiohttp

from core.services.log import log

_FRESH_SECONDS = 20
_TIMEOUT = aiohttp.ClientTimeout(total=2)


class StackBackups:
    """The state of the core's backups, asked for now and then.

    Args:
        url: of the service; empty if the core has no backups.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._safe = ""
        self._asked = -float(_FRESH_SECONDS)

    async def safe_seconds(self) -> float | None:
        """Everything that was written longer ago is in two sets; None if nothing is."""
        if self._url and monotonic() - self._asked >= _FRESH_SECONDS:
            self._asked = monotonic()
            self._safe = await self._ask()
        if not self._safe:
            return None
        return (datetime.now(UTC) - datetime.fromisoformat(self._safe)).total_seconds()

    async def _ask(self) -> str:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.get(f"{self._url}/state") as response,
            ):
                return str((await response.json())["safe"])
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError) as error:
            log("backups_do_not_answer", error=type(error).__name__)
            return self._safe
