"""A Billing API for the end-to-end tests, as `docs/billing-api.yaml` has it, on SQLite.

    python3 server.py --port 8080 --database billing.sqlite --key hunter2

What was answered is in the database, so the process may be killed and started again at any time.
Without a key, `PUT /_control/users` makes a person known (see `Budget`), `DELETE
/_control/users/<tenant>/<user>` takes one away, `GET /_control/events?tenant=` returns what was
logged (see `Logged`), `GET /_control/requests` what was received since the start (see `Requests`),
`PUT /_control/faults` says what goes wrong from now on (see `Faults`), and `DELETE /_control`
forgets everything.

It is one file because it is copied as it is into a container that has LiteLLM in it: only FastAPI,
pydantic, uvicorn and the standard library may be imported here.
"""

import argparse
import asyncio
import hmac
import json
import re
import sqlite3
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter
from pydantic import ValidationError as InvalidError
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

Json: TypeAlias = dict[str, Any]
T = TypeVar("T")
Path: TypeAlias = Literal["/api/check-budget", "/api/log-usage"]

# --- Amounts: decimals outside, whole billionths inside

BILLIONTH = Decimal("1e-9")
LARGEST = 8_999_999_999_999_999
WRITTEN = re.compile(r"[0-8]?[0-9]{1,6}(\.[0-9]{1,9})?")
EXACT = Context(prec=16, traps=[Inexact, InvalidOperation])


def billionths(amount: object) -> int:
    if isinstance(amount, bool) or not isinstance(amount, str | int | Decimal):
        raise ValueError("this is not an amount")
    if isinstance(amount, str) and not WRITTEN.fullmatch(amount):
        raise ValueError("an amount has at most nine places, and no exponent")
    try:
        found = int(EXACT.quantize(Decimal(amount), BILLIONTH).scaleb(9))
    except ArithmeticError:
        raise ValueError("an amount has at most seven digits and nine places") from None
    if not 0 <= found <= LARGEST:
        raise ValueError("an amount is not below zero, and below nine millions")
    return found


def written(amount: int) -> str:
    return f"{Decimal(amount).scaleb(-9).normalize():f}"


# --- What is received


def moment(text: str) -> str:
    # Python alone reads dates without a time or a zone, too.
    if not re.fullmatch(r"[0-9-]{10}[Tt][0-9:]{8}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})", text):
        raise ValueError("this is not a date and time of RFC 3339")
    datetime.fromisoformat(text.upper())
    return text


def storable(text: str) -> str:
    text.encode()  # JSON can hold halves of characters, SQLite can not
    if "\0" in text:
        raise ValueError("this has a null character")
    return text


Amount: TypeAlias = Annotated[int, PlainValidator(billionths)]
Text: TypeAlias = Annotated[str, AfterValidator(storable)]
Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**53)]
Currency: TypeAlias = Annotated[str, Field(pattern=r"^([A-Z]{3})?$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Check(Strict):
    tenant_id: Text
    user_id: Text
    model: Text
    cost_estimate: Amount
    # Of the second version, as all that has a default.
    user_subject: Text = ""
    currency: Currency = ""


class Event(Strict):
    tenant_id: Text
    user_id: Text
    model: Text
    request_id: Text = Field(min_length=1, max_length=64)
    tokens_input: Count
    tokens_output: Count
    cost_total: Amount
    response_time: Count
    ended_at: Annotated[str, AfterValidator(moment)]
    status: Literal["success", "failure"]
    estimated: bool
    # Of the second version, as all that has a default.
    user_subject: Text = ""
    currency: Currency = ""
    model_used: Text = ""
    over_reserved: Amount = 0


EVENTS = TypeAdapter(Annotated[list[Event], Field(min_length=1, max_length=1000)])


def check_in(body: bytes) -> Check:
    return Check.model_validate(parsed(body))


def usage_in(body: bytes) -> Event | list[Event]:
    given = parsed(body)
    if isinstance(given, list):
        return EVENTS.validate_python(given)
    return Event.model_validate(given)


def parsed(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal, parse_constant=no_number)


def no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def reason(error: Exception) -> str:
    if not isinstance(error, InvalidError):
        return f"The body is not JSON: {error}"
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'The body'}: {first['msg']}"


# --- What the tests say and ask


class Budget(Strict):
    """What a person may spend; null is for a person who is known and has no budget."""

    tenant: Text
    user: Text
    total: Amount | None
    # Others who share it, and whom answers give the name of this user.
    also: list[Text] = []


class Faults(Strict):
    """What goes wrong; every `PUT` replaces all of it."""

    status: Literal[500, 503] | None = None
    delay_seconds: float = Field(default=0, ge=0)
    # What was asked for is done, and the connection is closed instead of an answer.
    answer_lost: bool = False
    # What was asked for is done, and half of the answer is returned as if it were all.
    malformed: bool = False
    # None is both.
    paths: list[Path] | None = None


class Logged(BaseModel):
    """An event as it is stored, its cost in billionths."""

    seq: int
    request_id: str
    tenant: str
    user: str
    model: str
    tokens_input: int
    tokens_output: int
    cost: int
    response_time: int
    ended_at: str
    status: Literal["success", "failure"]
    estimated: bool
    user_subject: str
    currency: str
    model_used: str
    over_reserved: int


class Received(BaseModel):
    path: str
    body: str


class Requests(BaseModel):
    counts: dict[str, int]
    # How many events had been logged before.
    repeats: int
    # The last 1000.
    bodies: list[Received]


# --- What is stored

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS budgets (
  tenant TEXT, user TEXT, total INTEGER, used INTEGER NOT NULL, PRIMARY KEY (tenant, user)
) STRICT;
CREATE TABLE IF NOT EXISTS usage (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  request_id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  user TEXT NOT NULL,
  model TEXT NOT NULL,
  tokens_input INTEGER NOT NULL,
  tokens_output INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  response_time INTEGER NOT NULL,
  ended_at TEXT NOT NULL,
  status TEXT NOT NULL,
  estimated INTEGER NOT NULL,
  user_subject TEXT NOT NULL,
  currency TEXT NOT NULL,
  model_used TEXT NOT NULL,
  over_reserved INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS usage_of_user ON usage (tenant, user);
"""
PUT_BUDGET = """
INSERT INTO budgets VALUES (
  :tenant, :user, :total,
  (SELECT coalesce(sum(cost), 0) FROM usage WHERE tenant = :tenant AND user = :user)
) ON CONFLICT DO UPDATE SET total = excluded.total
"""
LOG = """
INSERT INTO usage
SELECT
  NULL, :request_id, tenant, :user_id, :model, :tokens_input, :tokens_output, :cost_total,
  :response_time, :ended_at, :status, :estimated, :user_subject, :currency, :model_used,
  :over_reserved
FROM budgets WHERE tenant = :tenant_id AND user = :payer
ON CONFLICT DO NOTHING
"""
SPEND = """
UPDATE budgets SET used = used + :cost_total WHERE tenant = :tenant_id AND user = :payer
"""


class Ledger:
    def __init__(self, database: str) -> None:
        self.repeats = 0
        self.shared: dict[tuple[str, str], str] = {}
        self._db = sqlite3.connect(database, isolation_level=None)
        self._db.executescript(SCHEMA)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            yield

    def put(self, budget: Budget) -> None:
        self._db.execute(PUT_BUDGET, budget.model_dump(exclude={"also"}))
        self.shared |= {(budget.tenant, other): budget.user for other in budget.also}

    def payer(self, tenant: str, user: str) -> str:
        """The user whose budget somebody spends from."""
        return self.shared.get((tenant, user), user)

    def remove(self, tenant: str, user: str) -> None:
        self._db.execute("DELETE FROM budgets WHERE tenant = ? AND user = ?", (tenant, user))

    def clear(self) -> None:
        self.repeats = 0
        self.shared.clear()
        with self._transaction():
            self._db.execute("DELETE FROM budgets")
            self._db.execute("DELETE FROM usage")

    def budget(self, tenant: str, user: str) -> tuple[int | None, int] | None:
        """A person's total, and what was used of it."""
        query = "SELECT total, used FROM budgets WHERE tenant = ? AND user = ?"
        found: tuple[int | None, int] | None = self._db.execute(query, (tenant, user)).fetchone()
        return found

    def log(self, events: list[Event]) -> list[Event]:
        """All of the events or, after an error, none; returned are those of unknown people."""
        with self._transaction():
            return [event for event in events if not self._log(event)]

    def _log(self, event: Event) -> bool:
        row = event.model_dump() | {"payer": self.payer(event.tenant_id, event.user_id)}
        if self._db.execute(LOG, row).rowcount:
            self._db.execute(SPEND, row)
            return True
        query = "SELECT 1 FROM usage WHERE request_id = :request_id"
        repeated = self._db.execute(query, row).fetchone() is not None
        self.repeats += repeated
        return repeated

    def events(self, tenant: str) -> list[Logged]:
        rows = self._db.execute("SELECT * FROM usage WHERE tenant = ? ORDER BY seq", (tenant,))
        names = [column for column, *_ in rows.description]
        return [Logged.model_validate(dict(zip(names, row, strict=True))) for row in rows]


# --- What is answered


def error(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)


def checked(check: Check, found: tuple[int | None, int] | None, payer: str) -> Response:
    if found is None:
        return verdict("unknown_user", unknown(check), status=404)
    total, used = found
    if total is None:
        return verdict("no_budget", f"{check.user_id} has no budget.")
    left = total - used
    budget = {"total": written(total), "used": written(used), "remaining": written(left)}
    if check.currency:
        budget["currency"] = check.currency
    if payer != check.user_id:
        budget["payer"] = payer
    if left > 0:
        return verdict("ok", f"{written(left)} of {written(total)} are left.", budget)
    return verdict("exceeded", f"Your budget of {written(total)} is used up.", budget)


def verdict(word: str, message: str, budget: Json | None = None, status: int = 200) -> Response:
    answer = {"allowed": word == "ok", "status": word, "message": message, "budget": budget}
    return JSONResponse(answer, status)


def unknown(asked: Check | Event) -> str:
    return f"{asked.user_id} is not known to the billing."


class LostResponse(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        scope["state"]["transport"].close()
        # Uvicorn answers 500 for whoever returns without an answer before the connection is gone.
        await receive()


class ClosableProtocol(H11Protocol):
    """Puts the connection where a response finds it: ASGI has no way to close it unanswered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Service:
    def __init__(self, ledger: Ledger, key: str) -> None:
        self._ledger = ledger
        self._key = key.encode()
        self._forget()

    def _forget(self) -> None:
        self._faults = Faults()
        self._counts: Counter[str] = Counter()
        self._bodies: deque[Received] = deque(maxlen=1000)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.get("/health")(self.health)
        app.post("/api/check-budget")(self.handler(check_in, self.check_budget))
        app.post("/api/log-usage")(self.handler(usage_in, self.log_usage))
        app.put("/_control/users", status_code=204)(self.put_user)
        app.delete("/_control/users/{tenant}/{user:path}", status_code=204)(self.delete_user)
        app.get("/_control/events")(self.get_events)
        app.get("/_control/requests")(self.get_requests)
        app.put("/_control/faults", status_code=204)(self.put_faults)
        app.delete("/_control", status_code=204)(self.forget_everything)
        return app

    def handler(
        self, understood: Callable[[bytes], T], answered: Callable[[T], Response]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            path, body = request.url.path, await request.body()
            self._counts[path] += 1
            self._bodies.append(Received(path=path, body=body.decode(errors="replace")))
            faults = self._faults
            if faults.paths is not None and path not in faults.paths:
                faults = Faults()
            await asyncio.sleep(faults.delay_seconds)
            if faults.status:
                return error(faults.status, HTTPStatus(faults.status).phrase)
            return spoilt(answer(request, body), faults)

        def answer(request: Request, body: bytes) -> Response:
            key = request.headers.get("x-api-key", "").encode("latin-1")
            if not hmac.compare_digest(key, self._key):
                return error(401, "The key is missing or not valid.")
            try:
                given = understood(body)
            except (ValueError, ArithmeticError, RecursionError) as failure:
                return error(422, reason(failure))
            return answered(given)

        return handle

    def check_budget(self, check: Check) -> Response:
        payer = self._ledger.payer(check.tenant_id, check.user_id)
        return checked(check, self._ledger.budget(check.tenant_id, payer), payer)

    def log_usage(self, given: Event | list[Event]) -> Response:
        events = given if isinstance(given, list) else [given]
        refused = [
            {"request_id": event.request_id, "message": unknown(event)}
            for event in self._ledger.log(events)
        ]
        if refused and isinstance(given, Event):
            return error(404, unknown(given))
        return JSONResponse({"refused": refused})

    async def health(self) -> Response:
        return Response()

    async def put_user(self, budget: Budget) -> None:
        self._ledger.put(budget)

    async def delete_user(self, tenant: str, user: str) -> None:
        self._ledger.remove(tenant, user)

    async def get_events(self, tenant: str) -> list[Logged]:
        return self._ledger.events(tenant)

    async def get_requests(self) -> Requests:
        return Requests(
            counts=self._counts, repeats=self._ledger.repeats, bodies=list(self._bodies)
        )

    async def put_faults(self, faults: Faults) -> None:
        self._faults = faults

    async def forget_everything(self) -> None:
        self._ledger.clear()
        self._forget()


def spoilt(response: Response, faults: Faults) -> Response:
    if faults.answer_lost:
        return LostResponse()
    if faults.malformed:
        half = bytes(response.body)[: len(response.body) // 2]
        return Response(half, response.status_code, media_type=response.media_type)
    return response


def main() -> None:
    parser = argparse.ArgumentParser(description="A Billing API for the end-to-end tests.")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--key", required=True)
    options = parser.parse_args()
    uvicorn.run(
        Service(Ledger(options.database), options.key).app(),
        host=options.host,
        port=options.port,
        http=ClosableProtocol,
        log_level="warning",
        # A request that sleeps must not keep the container from stopping.
        timeout_graceful_shutdown=1,
        # Clients reuse idle connections: closing one early would fail a call that no test let fail.
        timeout_keep_alive=600,
    )


if __name__ == "__main__":
    main()
