"""The Billing API, as `docs/billing-api.yaml` describes it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from http import HTTPStatus
from time import monotonic
from types import TracebackType
from typing import Any, Self

import aiohttp

from gateway.ledger import Event, Reservation
from gateway.settings import Settings
from money.nanos import from_wire, to_wire

CHECK_SECONDS = 1.5
"""A person waits for this one."""

LOG_SECONDS = 30
"""Nobody waits for this one."""

# What says something of an event, and not of the service or of who asks.
_OF_THE_EVENT = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}


# A service that only takes usage may say anything else when it is asked for its log.
_AWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}

_SILENT_SECONDS = 3600
"""After which such a service is asked again: it may be another version."""

USED_UP = "exceeded"
"""The status of an answer that refuses because all is spent, and for no other reason."""


class BillingAwayError(Exception):
    """The Billing API did not answer, or not as the contract says."""


@dataclass(frozen=True)
class Budget:
    """A person's budget, in nanos.

    Attributes:
        words: why the Billing API refuses, or empty.
        used_up: it refuses only because all is spent.
        currency: empty if it does not say.
        payer: the name that all have who share the budget; empty if it does not say.
    """

    remaining: int
    total: int
    words: str
    used_up: bool = False
    currency: str = ""
    payer: str = ""


@dataclass(frozen=True)
class LogState:
    """The Billing API's log of usage.

    Attributes:
        logged: it has all events that were asked for.
        safe_seconds: everything logged longer ago is in its backups; None if nothing is.
    """

    logged: bool
    safe_seconds: float | None


class Billing:
    """A client; close it by leaving its context."""

    def __init__(self, settings: Settings, api_key: str) -> None:
        self._settings = settings
        self._billing = settings.billed
        self._api_key = api_key
        self._session: aiohttp.ClientSession | None = None
        self._has_told = False
        self._silent_until = 0.0

    @property
    def url(self) -> str:
        """Its address."""
        return self._billing.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session:
            await self._session.close()

    async def check(self, asked: Reservation, estimate: int) -> Budget:
        """The budget of the payer of a request.

        Raises:
            BillingAwayError: it is not known.
        """
        question = {
            "tenant_id": self._settings.tenant,
            "user_id": asked.user_id or asked.user,
            "model": asked.model,
            "cost_estimate": to_wire(estimate),
        }
        if self._billing.contract > 1:
            question |= self._additions(asked.subject)
        status, answer = await self._post(self._billing.check_path, question, CHECK_SECONDS)
        if status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            raise _no_answer(status, answer)
        return self._in_our_currency(_budget(answer))

    async def log(self, events: Sequence[Event]) -> set[str]:
        """Deliver events: the request ids of those that it does not take.

        Raises:
            BillingAwayError: none of them counts as delivered.
        """
        if self._billing.batch == 1:
            return {event.request_id for event in events if not await self._log_one(event)}
        status, answer = await self._log([self.on_wire(event) for event in events])
        if status == HTTPStatus.OK:
            return _refused(answer)
        if status in _OF_THE_EVENT and len(events) > 1:
            # One event of them cannot be read: the others must not wait for it.
            return set().union(*[await self.log([event]) for event in events])
        if status in _OF_THE_EVENT:
            return {events[0].request_id}
        raise _no_answer(status, answer)

    async def log_state(self, request_ids: Sequence[str]) -> LogState | None:
        """Whether the log still has some events; None if the service does not tell.

        Args:
            request_ids: of the events, at most 20.

        Raises:
            BillingAwayError: it is not known.
        """
        if self._billing.contract == 1 or monotonic() < self._silent_until:
            return None
        question = [("request_id", each) for each in request_ids]
        status, text = await self._send("GET", self._billing.log_path, LOG_SECONDS, params=question)
        state = _log_state(text) if status == HTTPStatus.OK else None
        if state is None and (status in _AWAY or self._has_told):
            raise BillingAwayError(f"it does not tell of its log ({status})")
        self._has_told = state is not None
        if state is None:
            self._silent_until = monotonic() + _SILENT_SECONDS
        elif not request_ids:
            return replace(state, logged=True)
        return state

    def _in_our_currency(self, budget: Budget) -> Budget:
        ours = self._billing.currency
        if ours and budget.currency not in ("", ours):
            raise BillingAwayError(
                f"its budgets are in {budget.currency}, and the tenant's file says {ours}"
            )
        return replace(budget, currency=budget.currency or ours or "")

    def _additions(self, subject: str) -> dict[str, str]:
        currency = self._billing.currency
        return {"user_subject": subject, **({"currency": currency} if currency else {})}

    def on_wire(self, event: Event) -> dict[str, Any]:
        """An event as it is delivered."""
        body = event.on_wire(self._settings.tenant)
        if self._billing.contract > 1:
            body |= event.additions() | self._additions(event.subject)
        return body

    async def _log_one(self, event: Event) -> bool:
        status, answer = await self._log(self.on_wire(event))
        if status == HTTPStatus.OK or status in _OF_THE_EVENT:
            return status == HTTPStatus.OK
        raise _no_answer(status, answer)

    async def _log(self, body: Any) -> tuple[int, Any]:
        return await self._post(self._billing.log_path, body, LOG_SECONDS)

    async def _post(self, path: str, body: Any, seconds: float) -> tuple[int, Any]:
        status, text = await self._send("POST", path, seconds, json=body)
        try:
            return status, json.loads(text, parse_float=Decimal)
        except ValueError:
            raise BillingAwayError("its answer is not JSON") from None

    async def _send(
        self, method: str, path: str, seconds: float, **options: Any
    ) -> tuple[int, str]:
        self._session = self._session or aiohttp.ClientSession()
        try:
            async with self._session.request(
                method,
                self._billing.url + path,
                **options,
                headers={"X-API-Key": self._api_key},
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,
            ) as response:
                return response.status, await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BillingAwayError(f"{type(error).__name__}: {error}") from None


def _no_answer(status: int, answer: Any) -> BillingAwayError:
    if status == HTTPStatus.UNAUTHORIZED:
        return BillingAwayError(f"it refuses the tenant's key ({status})")
    message = answer.get("message") if isinstance(answer, dict) else None
    return BillingAwayError(f"it answered {status}{f': {message}' if message else ''}")


def _budget(answer: Any) -> Budget:
    try:
        found = answer["budget"]
        if found is None:
            found = {"total": "0", "remaining": "0"}
        total = from_wire(found["total"])
        currency, payer = (str(found.get(name) or "") for name in ("currency", "payer"))
        if answer["allowed"]:
            remaining = from_wire(found["remaining"])
            return Budget(remaining, total, "", currency=currency, payer=payer)
        status = str(answer["status"])
        words = str(answer["message"]) or status
        return Budget(0, total, words, status == USED_UP, currency, payer)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BillingAwayError(f"its answer is not a budget: {error!r}") from None


def _refused(answer: Any) -> set[str]:
    try:
        return {str(event["request_id"]) for event in answer.get("refused", [])}
    except (AttributeError, KeyError, TypeError):
        raise BillingAwayError("its answer is not understood") from None


def _log_state(text: str) -> LogState | None:
    """The state of a log; None if this is something else."""
    try:
        answer = json.loads(text)
        safe = answer.get("safe_seconds")
        logged = {True: True, False: False}[answer["logged"]]
        return LogState(logged, None if safe is None else float(safe))
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
