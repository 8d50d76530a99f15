"""Whether the Billing API answers, asked when somebody wants to know."""

import logging
import time

from gateway.billing import Billing, BillingAwayError
from gateway.ledger import Reservation

PAUSE_SECONDS = 5
"""However often anybody wants to know, the Billing API is not asked again before."""

_ANSWERS = "answers"

log = logging.getLogger("gateway.billing_health")


class BillingHealth:
    """Health of the Billing API, asked for the account that pays for nobody in particular."""

    def __init__(self, billing: Billing, account: str, *, grace_seconds: int) -> None:
        self._billing = billing
        self._nobody = Reservation(user=account, model="health", tokens_in=0, tokens_out=0, at=0)
        self._grace_seconds = grace_seconds
        self._asked_at = -float(PAUSE_SECONDS)
        self._answered_at = -float(grace_seconds)
        self._words = ""

    async def status(self) -> str:
        """Whether it answers, in words for the health check."""
        now = time.monotonic()
        if now - self._asked_at >= PAUSE_SECONDS:
            self._asked_at = now
            words = await self._ask()
            if words != self._words:
                log.warning("the Billing API %s", words)
            self._words = words
        return self._words

    @property
    def within_grace(self) -> bool:
        """Whether budgets are known: it answers, or did so within the grace."""
        return time.monotonic() - self._answered_at < self._grace_seconds

    async def _ask(self) -> str:
        try:
            await self._billing.check(self._nobody, 0)
        except BillingAwayError as error:
            return f"cannot be used: {error}"
        self._answered_at = time.monotonic()
        return _ANSWERS
