"""The tenant's ledger in Redis: what each person may still spend, and what is to be told to whom.

The functions in `ledger.lua` are its only writers. What they keep:

- `money:budget:<user>`: `allowance` (what was left at the Billing API when it was asked, and what
  had been delivered to it by then), `spent` and `delivered` since this ledger began, `reserved` by
  requests under way, `read` (when the budget was asked for), `total`, `currency`, and `words` if
  the Billing API refuses, with `used_up` if only for that. Nobody ever spends more than
  `allowance - spent - reserved`. `<user>` is a `Payer.key`.
- `money:reservations`, `money:leases`: requests under way, and until when each is taken to be.
- `money:outbox`, `money:refused`: events that the Billing API does not have yet, or does not take.
- `money:kept`, `money:again`: events that the Billing API has and its backups do not yet, by the
  time of delivery; those that it lost, which go before `money:outbox`.
- `money:totals`: counters.

None of it expires, and Redis evicts only what expires.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ResponseError

from money.nanos import to_wire

OUTBOX = "money:outbox"
REFUSED = "money:refused"
KEPT = "money:kept"
AGAIN = "money:again"
TOTALS = "money:totals"
RESERVATIONS = "money:reservations"

LEASE_SECONDS = 30
"""Seconds for which a request counts as under way after its LiteLLM's last sign of life."""

PATIENCE_SECONDS = 1.0
RESERVE_SECONDS = 2 * PATIENCE_SECONDS
"""A reservation is tried twice."""

CONNECTIONS = 32
"""More calls than that wait for one: redis-py's own pool refuses them, or opens one for each."""

RESERVING = 24
"""Reservations that are made at once; what has ended always finds a connection."""

TURN_SECONDS = 10.0
"""A burst of hundreds is worked off within this time on a busy processor, too."""

_LIBRARY = Path(__file__).with_name("ledger.lua")


class Verdict(StrEnum):
    """The ledger's answer to a request."""

    GRANTED = "granted"
    UNKNOWN = "unknown"  # the budget was never asked for
    STALE = "stale"  # it was asked for too long ago
    ASK = "ask"  # too little is left to decide without asking again
    REFUSED = "refused"  # by the Billing API
    BUSY = "busy"  # requests under way hold what is left
    SPENT = "spent"
    LATE = "late"  # nobody waits for the reply any more


@dataclass(frozen=True, kw_only=True)
class ReserveResult:
    """A verdict and the budget it comes from; amounts in nanos.

    Attributes:
        amount: what is set aside for the request.
        age_ms: how long ago the Billing API was asked.
        currency: empty if nobody has said it.
        words: what the Billing API says to the person, if it refuses.
    """

    verdict: Verdict
    amount: int
    age_ms: int
    total: int
    spent: int
    reserved: int
    allowance: int
    currency: str
    words: str

    @property
    def left(self) -> int:
        """Nanos that are neither spent nor set aside."""
        return self.allowance - self.spent - self.reserved


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """A request under way: whose it is, and what it is at most.

    Attributes:
        user: the payer's key.
        at: when it began, in milliseconds since 1970.
        amount: nanos set aside.
        user_id: the payer at the Billing API; the key itself if it is empty.
        subject: the payer's at the OpenID provider, or empty.
    """

    user: str
    model: str
    tokens_in: int
    tokens_out: int
    at: int
    amount: int = 0
    user_id: str = ""
    subject: str = ""

    def record(self) -> str:
        """As the ledger keeps it: the amount is text there, since it may have 16 digits."""
        return json.dumps(asdict(self) | {"amount": str(self.amount)})


@dataclass(frozen=True, kw_only=True)
class Event:
    """A request that has ended, and what it cost.

    Attributes:
        user: the payer's key.
        cost: in nanos.
        milliseconds: how long it took.
        ended_at: in milliseconds since 1970.
        failed: the caller got an error.
        estimated: the provider's own count never came.
        user_id: the payer at the Billing API; the key itself if it is empty.
        subject: the payer's at the OpenID provider, or empty.
        model_used: name of the model that answered, if it is another one than was asked for.
        over_reserved: nanos that it cost beyond what was set aside for it.
    """

    request_id: str
    user: str
    model: str
    tokens_in: int
    tokens_out: int
    cost: int
    milliseconds: int
    ended_at: int
    failed: bool = False
    estimated: bool = False
    user_id: str = ""
    subject: str = ""
    model_used: str = ""
    over_reserved: int = 0

    def fields(self) -> list[str | int]:
        """As `ledger_settle` takes it."""
        flags = ("f" if self.failed else "") + ("e" if self.estimated else "")
        return [
            self.request_id,
            self.user,
            self.model,
            self.tokens_in,
            self.tokens_out,
            self.cost,
            self.milliseconds,
            self.ended_at,
            flags,
            self.user_id if self.user_id != self.user else "",
            self.subject,
            self.model_used,
            self.over_reserved,
        ]

    def on_wire(self, tenant: str) -> dict[str, Any]:
        """As the Billing API takes it in the first contract (`docs/billing-api.yaml`)."""
        ended = datetime.fromtimestamp(self.ended_at / 1000, UTC)
        return {
            "tenant_id": tenant,
            "user_id": self.user_id or self.user,
            "model": self.model,
            "request_id": self.request_id,
            "tokens_input": self.tokens_in,
            "tokens_output": self.tokens_out,
            "cost_total": to_wire(self.cost),
            "response_time": self.milliseconds,
            "ended_at": ended.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "status": "failure" if self.failed else "success",
            "estimated": self.estimated,
        }

    def additions(self) -> dict[str, str]:
        """Fields of the event that only the second contract has."""
        return {
            "model_used": self.model_used or self.model,
            "over_reserved": to_wire(self.over_reserved),
        }


@dataclass(frozen=True)
class OutboxEntry:
    """An event in a stream, and its place there."""

    place: str
    event: Event


@dataclass(frozen=True)
class BalanceQuery:
    """The state of a budget from before the Billing API was asked about it."""

    user: str
    generation: str
    delivered: str


class Ledger:
    """The functions of `ledger.lua` in Python. Every call may raise `redis.RedisError`."""

    def __init__(
        self, *, host: str, port: int, password: str | None, user: str | None = None
    ) -> None:
        pool = BlockingConnectionPool(
            max_connections=CONNECTIONS,
            timeout=RESERVE_SECONDS,  # for a connection
            host=host,
            port=port,
            username=user,
            password=password,
            decode_responses=True,
            socket_timeout=PATIENCE_SECONDS,
            socket_connect_timeout=PATIENCE_SECONDS,
            # A connection that Redis's restart closed fails once.
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[RedisConnectionError],
        )
        self.redis = Redis.from_pool(pool)
        self._turns = asyncio.Semaphore(RESERVING)
        self._loaded = False

    async def reserve(
        self,
        request_id: str,
        reservation: Reservation,
        *,
        max_cost: int,
        min_cost: int,
        oldest_seconds: int,
        refreshed: bool,
    ) -> ReserveResult:
        """Set aside what a request costs at most, or at least `min_cost`, if that is left."""
        async with self._turn():
            verdict, *numbers, currency, words = await self._call(
                "ledger_reserve",
                request_id,
                reservation.record(),
                max_cost,
                min_cost,
                LEASE_SECONDS * 1000,
                oldest_seconds * 1000,
                int(refreshed),
                # Counted from here: Redis must not grant what nobody waits for any more.
                int((time.time() + RESERVE_SECONDS) * 1000),
            )
        amount, age_ms, total, spent, reserved, allowance = map(int, numbers)
        return ReserveResult(
            verdict=Verdict(verdict),
            amount=amount,
            age_ms=age_ms,
            total=total,
            spent=spent,
            reserved=reserved,
            allowance=allowance,
            currency=str(currency),
            words=str(words),
        )

    async def ask(self, user: str, generation: str, former_key: str = "") -> BalanceQuery | None:
        """Begin to ask the Billing API about a budget; None if the ledger is not this one."""
        delivered = await self._call("ledger_ask", user, generation, former_key)
        return None if delivered is None else BalanceQuery(user, generation, delivered)

    async def answer(
        self,
        question: BalanceQuery,
        *,
        remaining: int,
        total: int,
        words: str,
        used_up: bool = False,
        currency: str = "",
    ) -> bool:
        """Take what the Billing API said, or leave it out if the ledger was emptied meanwhile.

        Args:
            question: before it was asked.
            remaining: nanos.
            total: nanos.
            words: of a refusal, or empty.
            used_up: the refusal is only for that.
            currency: empty if it did not say.
        """
        taken = await self._call(
            "ledger_budget",
            question.user,
            question.generation,
            question.delivered,
            remaining,
            total,
            words,
            int(used_up),
            currency,
        )
        return bool(taken)

    async def settle(self, events: Sequence[Event]) -> None:
        """Write down what requests cost, and release what was set aside for them."""
        await self._calls([("ledger_settle", *event.fields()) for event in events])

    async def renew(self, under_way: Iterable[tuple[str, Reservation]]) -> None:
        """Say that requests are still under way."""
        flat = [text for id_, held in under_way for text in (id_, held.record())]
        await self._call("ledger_renew", LEASE_SECONDS * 1000, *flat)

    async def generation(self, name: str) -> str:
        """Name of this ledger; an emptied one takes the given name."""
        return str(await self._call("ledger_generation", name))

    async def forget(self, request_ids: Sequence[str]) -> None:
        """Release what may have been set aside for requests that were refused all the same."""
        await self._call("ledger_forget", *request_ids)

    async def sweep(self, most: int = 100) -> int:
        """Settle, as estimated, requests that nobody has under way any more: how many."""
        return int(await self._call("ledger_sweep", most))

    async def waiting(self, stream: str, most: int) -> list[OutboxEntry]:
        """The oldest events of a stream."""
        return _entries(await self.redis.xrange(stream, count=most))

    async def wait_for_event(self, seconds: float) -> None:
        """Until an event comes, or the time is over."""
        await self.redis.xread({OUTBOX: "0"}, count=1, block=int(seconds * 1000))

    async def delivered(
        self, stream: str, events: Sequence[OutboxEntry], *, keep: bool = False
    ) -> int:
        """Take events that the Billing API has out of a stream.

        Args:
            stream: that they are in.
            events: some of it.
            keep: they may be needed once more, until `forget_kept`.

        Returns:
            How many had to go that were kept, since there are too many.
        """
        flat = [
            text
            for waiting in events
            for text in (waiting.place, waiting.event.user, waiting.event.cost)
        ]
        return int(await self._call("ledger_delivered", stream, int(keep), *flat))

    async def last_kept(self, most: int) -> list[OutboxEntry]:
        """The kept events that were delivered last, the last one first."""
        return _entries(await self.redis.xrevrange(KEPT, count=most))

    async def resend(self, last: OutboxEntry, most: int = 100) -> int:
        """Let kept events up to this one, the oldest first, wait for delivery again: how many."""
        return int(await self._call("ledger_resend", last.place, most))

    async def forget_kept(self, seconds: float) -> None:
        """Keep no event any more that was delivered longer ago."""
        await self._call("ledger_forget_kept", int(seconds * 1000))

    async def refuse(self, stream: str, events: Sequence[OutboxEntry]) -> None:
        """Put events aside, behind all others, that the Billing API does not take."""
        await self._call("ledger_refuse", stream, *(waiting.place for waiting in events))

    async def probe(self) -> None:
        """Fail as a reservation would: `redis.OutOfMemoryError` says that Redis is full."""
        await self._call("ledger_probe")

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with asyncio.timeout(TURN_SECONDS):
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    async def load(self) -> None:
        """Give Redis the functions of this version."""
        await self.redis.function_load(_LIBRARY.read_text(encoding="utf-8"), replace=True)

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose()

    async def _call(self, function: str, *args: str | int) -> Any:
        [reply] = await self._calls([(function, *args)])
        return reply

    async def _calls(self, calls: Sequence[tuple[str | int, ...]]) -> list[Any]:
        if not self._loaded:
            # Redis keeps functions, so it may have another version's; without memory they must do.
            with suppress(OutOfMemoryError):
                await self.load()
                self._loaded = True
        try:
            return await self._send(calls)
        except ResponseError as error:
            if "Function not found" not in str(error):
                raise
            await self.load()  # a new Redis, or an emptied one
            return await self._send(calls)

    async def _send(self, calls: Sequence[tuple[str | int, ...]]) -> list[Any]:
        if len(calls) == 1:
            function, *args = calls[0]
            return [await self.redis.fcall(str(function), 0, *args)]
        async with self.redis.pipeline(transaction=False) as pipeline:
            for function, *args in calls:
                pipeline.fcall(str(function), 0, *args)
            return list(await pipeline.execute())


def _entries(found: Any) -> list[OutboxEntry]:
    return [OutboxEntry(place, _event(fields)) for place, fields in found]


def _event(fields: dict[str, str]) -> Event:
    return Event(
        request_id=fields["id"],
        user=fields["user"],
        model=fields["model"],
        tokens_in=int(fields["in"]),
        tokens_out=int(fields["out"]),
        cost=int(fields["cost"]),
        milliseconds=int(fields["ms"]),
        ended_at=int(fields["at"]),
        failed="f" in fields["flags"],
        estimated="e" in fields["flags"],
        # Events of an earlier version have none of these.
        user_id=fields.get("wire", ""),
        subject=fields.get("subject", ""),
        model_used=fields.get("used", ""),
        over_reserved=int(fields.get("over", 0)),
    )
