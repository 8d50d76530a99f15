"""The ledger in a real Valkey: whatever happens, in whatever order, no money is lost or made.

In CI the steps are the same in every run: Hypothesis sees to that by itself.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, TypeVar

import pytest
from docker import DockerClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis
from redis.exceptions import OutOfMemoryError, RedisError

from gateway.billing import Budget
from gateway.health import ledger_state
from gateway.ledger import (
    AGAIN,
    CONNECTIONS,
    KEPT,
    OUTBOX,
    REFUSED,
    RESERVATIONS,
    TOTALS,
    BalanceQuery,
    Event,
    Ledger,
    OutboxEntry,
    Reservation,
    ReserveResult,
    Verdict,
)
from images.catalog import load_catalog
from money.nanos import LARGEST
from tests.e2e.project import free_ports
from tests.e2e.waiting import until

LEASES = "money:leases"
TEXTS = ("words", "currency")
OLDEST_SECONDS = 3600
ANN = "ann@example.com"
USERS = (ANN, "zoë 😀@example.com", "api@acme")

T = TypeVar("T")
Ask = tuple[int, int]  # the most, and how many percent of it are the min_cost
SETTINGS = settings(max_examples=50, print_blob=True, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Valkey:
    """A ledger, and the server it is in."""

    new_ledger: Callable[[], Ledger]
    ledger: Ledger
    redis: Any  # the types of redis-py have every answer be awaitable, too
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def budget(self, user: str) -> dict[str, int]:
        """The numbers of a budget."""
        fields = self.redis.hgetall(f"money:budget:{user}")
        return {name: int(value) for name, value in fields.items() if name not in TEXTS}

    def answer(
        self,
        user: str,
        *,
        remaining: int,
        words: str = "",
        used_up: bool = False,
        former_key: str = "",
    ) -> None:
        """Ask about a budget, and be answered at once."""
        self.run(
            self.ledger.answer(
                self.ask(user, former_key),
                remaining=remaining,
                total=remaining,
                words=words,
                used_up=used_up,
                currency="EUR",
            )
        )

    def ask(self, user: str, former_key: str = "") -> BalanceQuery:
        generation = self.run(self.ledger.generation("a new one"))
        question = self.run(self.ledger.ask(user, generation, former_key))
        assert question
        return question

    def reserve(
        self,
        request_id: str,
        *,
        max_cost: int,
        min_cost: int | None = None,
        user: str = ANN,
        refreshed: bool = False,
    ) -> ReserveResult:
        """Have something set aside, all of it if nothing else is said."""
        return self.run(
            self.ledger.reserve(
                request_id,
                reservation(user),
                max_cost=max_cost,
                min_cost=max_cost if min_cost is None else min_cost,
                oldest_seconds=OLDEST_SECONDS,
                refreshed=refreshed,
            )
        )

    def age(self, user: str, milliseconds: int) -> None:
        """Let a budget have been asked for earlier."""
        self.redis.hincrby(f"money:budget:{user}", "read", -milliseconds)

    def expire(self, request_id: str, at: int = 0) -> None:
        """Let a lease have ended."""
        assert self.redis.zadd(LEASES, {request_id: at}, xx=True, ch=True) == 1

    def words(self, user: str) -> str:
        return self.redis.hget(f"money:budget:{user}", "words") or ""

    def outbox(self) -> list[Event]:
        return [each.event for each in self.run(self.ledger.waiting(OUTBOX, 10_000))]


def reservation(user: str, amount: int = 0) -> Reservation:
    return Reservation(
        user=user, model="gpt-5", tokens_in=10, tokens_out=20, at=1_790_000_000_000, amount=amount
    )


def event(request_id: str, user: str, cost: int) -> Event:
    return Event(
        request_id=request_id,
        user=user,
        model="gpt-5",
        tokens_in=1,
        tokens_out=2,
        cost=cost,
        milliseconds=3,
        ended_at=1_790_000_000_003,
    )


@pytest.fixture(scope="module")
def server(engine: DockerClient, bridge: str) -> Iterator[Valkey]:
    [port] = free_ports(1, address=bridge)
    container = engine.containers.run(
        load_catalog("built").running["redis"].reference,
        [
            *("valkey-server", "--port", str(port), "--protected-mode", "no"),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "volatile-ttl"),
        ],
        ports={f"{port}/tcp": (bridge, port)},
        user="65534:65534",
        detach=True,
    )
    try:
        redis = Redis(host=bridge, port=port, decode_responses=True)
        until(partial(_answers, redis), seconds=20)
        with asyncio.Runner() as runner:
            new_ledger = partial(Ledger, host=bridge, port=port, password=None)
            ledger = new_ledger()
            yield Valkey(new_ledger, ledger, redis, runner.get_loop())
            runner.run(ledger.close())
        redis.close()
    finally:
        container.remove(force=True)


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    server.redis.flushall()
    return server


# --- Everything at once


@dataclass
class BillingModel:
    """What a Billing API knows: the budgets, whoever is blocked, and each request once."""

    totals: dict[str, int]
    blocked: set[str] = field(default_factory=set)
    logged: dict[str, Event] = field(default_factory=dict)

    def log(self, events: list[Event]) -> None:
        for each in events:
            self.logged.setdefault(each.request_id, each)

    def remaining(self, user: str) -> int:
        return self.totals[user] - sum(e.cost for e in self.logged.values() if e.user == user)

    def check(self, user: str) -> Budget:
        remaining, total = self.remaining(user), self.totals[user]
        if user in self.blocked:
            return Budget(0, total, "You are blocked.")
        if remaining > 0:
            return Budget(remaining, total, "")
        return Budget(0, total, "All is spent.", used_up=True)


people = st.sampled_from(USERS)
percents = st.integers(0, 100)
picks = st.integers(0, 20)
wishes = st.lists(st.tuples(st.integers(0, 60), percents), min_size=1, max_size=3)


class Books(RuleBasedStateMachine):
    """People's requests, a sender and a Billing API around one ledger.

    `under_way`, `unsure` and `written` are what a LiteLLM has in its memory (see `Bookkeeper`),
    `held` and `expired` what the ledger must have, and `ends` what each request that has ended
    cost, in the order in which the Billing API is to learn of them.
    """

    valkey: ClassVar[Valkey]

    def __init__(self) -> None:
        super().__init__()
        self.valkey.redis.flushall()
        self.ledger = self.valkey.ledger
        self.billing = BillingModel(dict.fromkeys(USERS, 100))
        self.highest = dict(self.billing.totals)
        self.reservations: dict[str, Reservation] = {}
        self.under_way: dict[str, Reservation] = {}
        self.unsure: list[str] = []
        self.written: list[Event] = []
        self.held: dict[str, Reservation] = {}
        self.expired: list[str] = []
        self.ends: dict[str, int] = {}
        self.lost: set[str] = set()
        self.asked: list[BalanceQuery] = []
        self.answers: list[tuple[BalanceQuery, Budget]] = []
        self.sent: list[tuple[str, list[OutboxEntry]]] = []
        self.in_order = True
        self.came_back = self.emptied = False  # both at once may lose what neither has any more
        self.numbers = iter(range(1, sys.maxsize))
        self.generation = self._generation()

    @initialize(wishes_of=st.tuples(*(wishes for _ in USERS)))
    def some_requests_are_under_way(self, wishes_of: tuple[list[Ask], ...]) -> None:
        for user, theirs in zip(USERS, wishes_of, strict=True):
            self.reserve_after_an_answer(user, theirs)

    # --- requests

    @rule(user=people, wishes=wishes)
    def reserve_after_an_answer(self, user: str, wishes: list[Ask]) -> None:
        self._ask_and_answer(user)
        self.reserve(user, wishes, twice=False)

    @rule(user=people, wishes=wishes, twice=st.booleans())
    def reserve(self, user: str, wishes: list[Ask], twice: bool) -> None:
        for most, percent in wishes:
            request_id = f"request-{next(self.numbers)}"
            min_cost = most * percent // 100
            expected = self._verdict(user, most, min_cost)
            for _ in range(1 + twice):  # the answer to the first was lost
                reply = self._reserve(request_id, user, most, min_cost)
                assert (reply.verdict, reply.amount) == expected
            if reply.verdict == Verdict.GRANTED:
                granted = reservation(user, reply.amount)
                for known in (self.reservations, self.under_way, self.held):
                    known[request_id] = granted

    def _reserve(self, request_id: str, user: str, most: int, min_cost: int) -> ReserveResult:
        # Without `refreshed`, a slow machine would be told other things than a fast one.
        return self.valkey.reserve(
            request_id, user=user, max_cost=most, min_cost=min_cost, refreshed=True
        )

    def _verdict(self, user: str, most: int, min_cost: int) -> tuple[Verdict, int]:
        budget = self.valkey.budget(user)
        if "allowance" not in budget:
            return Verdict.UNKNOWN, 0
        if budget["read"] == 0:
            return Verdict.STALE, 0
        words = self.valkey.words(user)
        if most == 0 and words != "You are blocked.":
            return Verdict.GRANTED, 0
        if words:
            return Verdict.REFUSED, 0
        left = budget["allowance"] - budget.get("spent", 0)
        free = left - budget.get("reserved", 0)
        if free >= min_cost:
            return Verdict.GRANTED, min(most, free)
        return (Verdict.BUSY if left >= min_cost else Verdict.SPENT), 0

    @precondition(lambda self: bool(self.under_way))
    @rule(pick=picks, percent=percents)
    def settle(self, pick: int, percent: int) -> None:
        self._settle(_some(pick, self.under_way), percent)

    def _settle(self, request_ids: list[str], percent: int) -> None:
        ended = [(each, self.under_way.pop(each)) for each in request_ids]
        events = [event(each, was.user, was.amount * percent // 100) for each, was in ended]
        self.valkey.run(self.ledger.settle(events))
        self.written += events
        for each in events:
            self._ended(each.request_id, each.cost)

    @precondition(lambda self: bool(self.written))
    @rule(pick=picks)
    def settle_again(self, pick: int) -> None:
        """The answer to the first was lost."""
        self.valkey.run(self.ledger.settle(_some(pick, self.written)))

    @precondition(lambda self: bool(self.under_way))
    @rule(pick=picks)
    def crash(self, pick: int) -> None:
        del self.under_way[_one(pick, self.under_way)]

    @precondition(lambda self: bool(self.under_way))
    @rule(pick=picks)
    def reply_is_lost(self, pick: int) -> None:
        """The caller was refused, although something was set aside."""
        request_id = _one(pick, self.under_way)
        del self.under_way[request_id]
        self.unsure.append(request_id)

    @rule()
    def forget(self) -> None:
        self.valkey.run(self.ledger.forget(self.unsure))
        self.lost |= {each for each in self.unsure if each not in self.ends}
        for each in self.unsure:
            self._is_not_held(each)
        self.unsure = []

    # --- leases

    @precondition(lambda self: bool(self.held))
    @rule(pick=picks)
    def lease_ends(self, pick: int) -> None:
        self._lease_ends(_one(pick, self.held))

    def _lease_ends(self, request_id: str) -> None:
        if request_id in self.expired:
            self.expired.remove(request_id)
        self.valkey.expire(request_id, at=next(self.numbers))
        self.expired.append(request_id)

    @rule(most=st.integers(1, 3))
    def sweep(self, most: int) -> None:
        swept = self.expired[:most]
        assert self.valkey.run(self.ledger.sweep(most)) == len(swept)
        for each in swept:
            self._ended(each, self.held[each].amount)

    @rule()
    def renew(self) -> None:
        self.valkey.run(self.ledger.renew(self.under_way.items()))
        self.held |= self.under_way
        self.expired = [each for each in self.expired if each not in self.under_way]

    def _ended(self, request_id: str, cost: int) -> None:
        self._is_not_held(request_id)
        self.ends.setdefault(request_id, cost)

    def _is_not_held(self, request_id: str) -> None:
        self.held.pop(request_id, None)
        if request_id in self.expired:
            self.expired.remove(request_id)

    # --- questions

    @rule(user=people, answered=st.booleans())
    def ask(self, user: str, answered: bool) -> None:
        self.asked.append(self.valkey.ask(user))
        if answered:
            self.billing_answers(-1)

    @precondition(lambda self: bool(self.asked))
    @rule(pick=picks)
    def billing_answers(self, pick: int) -> None:
        question = _one(pick, self.asked)
        self.asked.remove(question)
        self.answers.append((question, self.billing.check(question.user)))

    @precondition(lambda self: bool(self.answers))
    @rule(pick=picks)
    def answer_comes(self, pick: int) -> None:
        question, said = _one(pick, self.answers)
        self.answers.remove((question, said))
        before = self.valkey.budget(question.user)
        self._answer(question, said)
        if question.generation != self.generation:
            assert self.valkey.budget(question.user) == before

    def _ask_and_answer(self, user: str) -> None:
        self._answer(self.valkey.ask(user), self.billing.check(user))

    def _answer(self, question: BalanceQuery, said: Budget) -> None:
        self.valkey.run(
            self.ledger.answer(
                question,
                remaining=said.remaining,
                total=said.total,
                words=said.words,
                used_up=said.used_up,
            )
        )

    @rule(user=people, by=st.integers(-60, 120))
    def budget_changes(self, user: str, by: int) -> None:
        total = max(0, self.billing.totals[user] + by)
        self.billing.totals[user] = total
        self.highest[user] = max(total, self.highest[user])

    @rule(user=people, blocked=st.booleans())
    def is_blocked(self, user: str, blocked: bool) -> None:
        self.billing.blocked.discard(user)
        if blocked:
            self.billing.blocked.add(user)

    # --- delivery

    @rule(most=st.integers(1, 5), acknowledged=st.booleans())
    def deliver(self, most: int, acknowledged: bool) -> None:
        stream = self._next_stream()
        waiting = self.valkey.run(self.ledger.waiting(stream, most))
        self.billing.log([each.event for each in waiting])
        if acknowledged:
            self.valkey.run(self.ledger.delivered(stream, waiting, keep=True))
        else:
            self.sent.append((stream, waiting))

    def _next_stream(self) -> str:
        return AGAIN if self.valkey.redis.xlen(AGAIN) else OUTBOX

    @precondition(lambda self: bool(self.sent))
    @rule(pick=picks, again=st.booleans())
    def acknowledge(self, pick: int, again: bool) -> None:
        """Or never: then they are sent again."""
        stream, waiting = _one(pick, self.sent)
        if not again:
            self.sent.remove((stream, waiting))
        self.in_order = False
        self.valkey.run(self.ledger.delivered(stream, waiting, keep=True))

    @precondition(lambda self: self.in_order and not self.emptied)  # as a sender keeps them
    @rule(number=st.integers(1, 5))
    def billing_comes_back_from_a_backup(self, number: int) -> None:
        """It lacks what came last, and whoever asked it meanwhile got no answer."""
        kept = [fields["id"] for _, fields in self.valkey.redis.xrange(KEPT)]
        lost, logged = set(kept[-number:]) - set(kept[:-number]), list(self.billing.logged)
        first = min((logged.index(each) for each in lost if each in logged), default=len(logged))
        for each in logged[first:]:
            del self.billing.logged[each]
        self.asked.clear()
        self.came_back = True
        last = self.valkey.run(self.ledger.last_kept(number))
        if any(each.event.request_id not in self.billing.logged for each in last):
            while self.valkey.run(self.ledger.resend(last[0], most=2)):
                pass

    # --- Redis loses its data

    @precondition(lambda self: not self.came_back)
    @rule()
    def empty(self) -> None:
        """What only Redis knew is lost: crashed requests, and their ends if not yet delivered."""
        self.emptied = True
        self.valkey.redis.delete(*self.valkey.redis.keys("money:*"))
        time.sleep(0.002)  # places in a stream are times
        generation = self._generation()
        assert generation != self.generation
        self.generation = generation
        self.renew()
        self.valkey.run(self.ledger.settle(self.written))
        self.held = dict(self.under_way)
        self.expired = []
        self.ends = {each.request_id: each.cost for each in self.billing.logged.values()}
        for each in self.written:
            self.ends.setdefault(each.request_id, each.cost)
        self.lost |= set(self.reservations) - set(self.ends) - set(self.under_way)

    def _generation(self) -> str:
        name = f"generation-{next(self.numbers)}"
        generation = self.valkey.run(self.ledger.generation(name))
        assert self.valkey.run(self.ledger.generation("another")) == generation
        return generation

    # --- what is always so

    @invariant()
    def books_agree(self) -> None:
        pipeline = self.valkey.redis.pipeline(transaction=False)
        pipeline.hgetall(RESERVATIONS).zrange(LEASES, 0, -1)
        for user in USERS:
            pipeline.hgetall(f"money:budget:{user}")
        records, leases, *budgets = pipeline.execute()
        found = {each: int(json.loads(record)["amount"]) for each, record in records.items()}
        assert found == {each: held.amount for each, held in self.held.items()}
        assert set(leases) == set(found)
        for user, budget in zip(USERS, budgets, strict=True):
            words = budget.pop("words", "")
            budget.pop("currency", None)
            self._nobody_overspends(
                user, {name: int(number) for name, number in budget.items()}, words
            )

    def _nobody_overspends(self, user: str, budget: dict[str, int], words: str) -> None:
        assert min(budget.values(), default=0) >= 0
        held = {each: was.amount for each, was in self.held.items() if was.user == user}
        assert budget.get("reserved", 0) == sum(held.values())
        ended = self._ends_of(user)
        # A request that was swept while it was under way is both, and is billed once.
        most = sum(max(held.get(each, 0), ended.get(each, 0)) for each in {*held, *ended})
        assert most <= self.highest[user]
        if "allowance" in budget and not words:
            left = budget["allowance"] - budget.get("spent", 0)
            assert sum(ended.values()) + left <= self.highest[user]

    def _ends_of(self, user: str) -> dict[str, int]:
        return {
            each: cost for each, cost in self.ends.items() if self.reservations[each].user == user
        }

    # --- and in the end

    def teardown(self) -> None:
        if sys.exception() is None:  # else it has failed before its end
            self._end_everything()
            self._nothing_is_open()
            self._everything_is_billed()

    def _end_everything(self) -> None:
        self._settle(list(self.under_way), percent=50)
        for each in self.held:
            self._lease_ends(each)
        while self.expired:
            self.sweep(most=10)
        while waiting := self.valkey.run(self.ledger.waiting(self._next_stream(), 10)):
            self.billing.log([each.event for each in waiting])
            self.valkey.run(self.ledger.delivered(self._next_stream(), waiting, keep=True))

    def _nothing_is_open(self) -> None:
        assert not self.valkey.outbox()
        totals = self.valkey.redis.hgetall(TOTALS)
        settled, delivered, resent = (
            int(totals.get(name, 0)) for name in ("settled", "delivered", "resent")
        )
        assert settled == delivered - resent
        self.billing.blocked.clear()
        for user in USERS:
            self._ask_and_answer(user)
            budget = self.valkey.budget(user)
            left = budget["allowance"] - budget.get("spent", 0)
            assert left == max(0, self.billing.remaining(user))
            assert budget.get("reserved", 0) == 0

    def _everything_is_billed(self) -> None:
        billed = {each.request_id: each.cost for each in self.billing.logged.values()}
        assert list(billed.items()) == list(self.ends.items())
        assert set(billed) == set(self.reservations) - self.lost


def _one(pick: int, things: Iterable[T]) -> T:
    [one] = _some(pick, things, most=1)
    return one


def _some(pick: int, things: Iterable[T], *, most: int = 3) -> list[T]:
    """A few that stand side by side."""
    found = list(things)
    start = pick % len(found)
    return found[start : start + most]


def test_nothing_that_happens_loses_or_makes_money(server: Valkey) -> None:
    class BooksHere(Books):
        valkey = server

    run_state_machine_as_test(
        BooksHere, settings=settings(SETTINGS, max_examples=200, database=None)
    )


# --- One thing at a time


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(0, LARGEST)
events = st.builds(
    Event,
    request_id=texts,
    user=texts,
    model=texts,
    tokens_in=numbers,
    tokens_out=numbers,
    cost=numbers,
    milliseconds=numbers,
    ended_at=numbers,
    failed=st.booleans(),
    estimated=st.booleans(),
    user_id=texts,
    subject=texts,
    model_used=texts,
    over_reserved=numbers,
)


@SETTINGS
@given(st.lists(events, min_size=1, max_size=3))
def test_an_event_comes_out_as_it_went_in(server: Valkey, sent: list[Event]) -> None:
    server.redis.flushall()
    server.run(server.ledger.settle(sent))
    own = [replace(each, user_id="") if each.user_id == each.user else each for each in sent]
    assert server.outbox() == own


@SETTINGS
@given(amount=st.integers(LARGEST - 1000, LARGEST), user=texts, swept=st.booleans())
@example(amount=LARGEST, user=ANN, swept=False)
@example(amount=LARGEST, user=ANN, swept=True)
def test_large_amounts_keep_every_digit(
    server: Valkey, amount: int, user: str, swept: bool
) -> None:
    server.redis.flushall()
    server.answer(user, remaining=amount)
    reply = server.reserve("one", user=user, max_cost=LARGEST, min_cost=1)
    assert (reply.amount, reply.reserved, reply.total) == (amount, 0, amount)
    assert server.budget(user)["reserved"] == amount
    if swept:
        server.expire("one")
        assert server.run(server.ledger.sweep()) == 1
    else:
        server.run(server.ledger.settle([event("one", user, amount)]))
    [ended] = server.outbox()
    assert (ended.cost, ended.user, ended.estimated) == (amount, user, swept)
    assert server.budget(user)["spent"] == amount


def deliver_all(valkey: Valkey, *, keep: bool) -> None:
    waiting = valkey.run(valkey.ledger.waiting(OUTBOX, 10_000))
    valkey.run(valkey.ledger.delivered(OUTBOX, waiting, keep=keep))


def test_what_was_delivered_is_kept_until_it_is_safe(valkey: Valkey) -> None:
    run, ledger = valkey.run, valkey.ledger
    run(ledger.settle([event(name, ANN, 5) for name in ("one", "two")]))
    deliver_all(valkey, keep=True)
    assert [each.event.request_id for each in run(ledger.last_kept(20))] == ["two", "one"]
    run(ledger.forget_kept(60))
    assert valkey.redis.xlen(KEPT) == 2
    time.sleep(0.01)
    run(ledger.forget_kept(0))
    assert run(ledger.last_kept(20)) == []
    run(ledger.settle([event("three", ANN, 5)]))
    deliver_all(valkey, keep=False)
    assert run(ledger.last_kept(20)) == []


def test_what_the_billing_api_lost_is_sent_again(valkey: Valkey) -> None:
    run, ledger = valkey.run, valkey.ledger
    valkey.answer(ANN, remaining=100)
    run(ledger.settle([event(name, ANN, 5) for name in ("one", "two", "three")]))
    deliver_all(valkey, keep=True)
    [last, *_] = run(ledger.last_kept(20))
    assert [run(ledger.resend(last, most=2)) for _ in range(3)] == [2, 1, 0]
    waiting = run(ledger.waiting(AGAIN, 10))
    assert [each.event.request_id for each in waiting] == ["one", "two", "three"]
    assert valkey.budget(ANN)["delivered"] == 0
    assert valkey.reserve("next", max_cost=1).verdict == Verdict.STALE, "it is asked for anew"
    run(ledger.delivered(AGAIN, waiting, keep=True))
    assert valkey.budget(ANN)["delivered"] == 15


@pytest.mark.all_only
def test_no_more_is_kept_than_there_is_room_for(valkey: Valkey) -> None:
    most, run = 50_000, valkey.run
    for first in range(0, most, 5000):
        run(valkey.ledger.settle([event(f"{first + n}", ANN, 1) for n in range(5000)]))
        deliver_all(valkey, keep=True)
    assert valkey.redis.xlen(KEPT) == most
    assert valkey.redis.memory_usage(KEPT, samples=0) < 25 * 2**20
    run(valkey.ledger.settle([event("one more", ANN, 1)]))
    [waiting] = run(valkey.ledger.waiting(OUTBOX, 10))
    assert run(valkey.ledger.delivered(OUTBOX, [waiting], keep=True)) == 1
    assert valkey.redis.xlen(KEPT) == most
    assert valkey.redis.hget(TOTALS, "unkept") == "1"


def test_a_sweep_says_what_it_knows_of_a_request(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100)
    valkey.reserve("one", max_cost=60)
    valkey.expire("one")
    before = int(time.time() * 1000)
    valkey.run(valkey.ledger.sweep())
    [swept] = valkey.outbox()
    held = reservation(ANN)
    assert swept == Event(
        request_id="one",
        user=ANN,
        model=held.model,
        tokens_in=held.tokens_in,
        tokens_out=held.tokens_out,
        cost=60,
        milliseconds=swept.ended_at - held.at,
        ended_at=swept.ended_at,
        estimated=True,
    )
    assert abs(swept.ended_at - before) < 60_000
    assert valkey.redis.hgetall(TOTALS) == {"settled": "1", "spent": "60", "estimated": "1"}


def test_a_repeated_reservation_is_one(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100)
    first = valkey.reserve("one", max_cost=60)
    second = valkey.reserve("one", max_cost=60)
    assert first.verdict == second.verdict == Verdict.GRANTED
    assert first.amount == second.amount == 60
    assert valkey.budget(ANN)["reserved"] == 60
    assert valkey.redis.hlen(RESERVATIONS) == valkey.redis.zcard(LEASES) == 1


def test_a_reservation_that_nobody_waits_for_is_none(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    valkey.answer(ANN, remaining=100)
    valkey.reserve("lost", max_cost=60)
    monkeypatch.setattr("gateway.ledger.RESERVE_SECONDS", -1)
    for each in ("lost", "late"):
        assert valkey.reserve(each, max_cost=10).verdict == Verdict.LATE
        assert valkey.budget(ANN)["reserved"] == 0


def test_a_request_that_costs_nothing_ends(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100)
    for each in ("settled", "swept"):
        assert valkey.reserve(each, max_cost=0).verdict == Verdict.GRANTED
    valkey.run(valkey.ledger.settle([event("settled", ANN, 0)]))
    valkey.expire("swept")
    valkey.run(valkey.ledger.sweep())
    assert [each.request_id for each in valkey.outbox()] == ["settled", "swept"]
    assert valkey.redis.hlen(RESERVATIONS) == 0


def test_an_answer_to_a_ledger_that_was_emptied_is_dropped(valkey: Valkey) -> None:
    question = valkey.ask(ANN)
    valkey.redis.flushall()
    assert valkey.run(valkey.ledger.ask(ANN, question.generation)) is None
    for generation in (None, "another"):
        if generation:
            valkey.run(valkey.ledger.generation(generation))
        valkey.run(valkey.ledger.answer(question, remaining=100, total=100, words=""))
        assert valkey.reserve("one", max_cost=1).verdict == Verdict.UNKNOWN


def test_what_is_delivered_during_a_question_counts_once(valkey: Valkey) -> None:
    valkey.run(valkey.ledger.settle([event("one", ANN, 10)]))
    question = valkey.ask(ANN)  # the answer is from before the delivery, so it lacks these 10
    waiting = valkey.run(valkey.ledger.waiting(OUTBOX, 10))
    for _ in range(2):  # the answer to the first was lost
        valkey.run(valkey.ledger.delivered(OUTBOX, waiting))
    valkey.run(valkey.ledger.answer(question, remaining=100, total=100, words=""))
    assert valkey.reserve("two", max_cost=100, min_cost=1).amount == 90
    valkey.run(valkey.ledger.settle([event("two", ANN, 0)]))
    valkey.answer(ANN, remaining=90)
    assert valkey.reserve("three", max_cost=100, min_cost=1).amount == 90


def test_a_person_learns_whether_it_helps_to_wait(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100)
    valkey.reserve("one", max_cost=60)
    assert valkey.reserve("two", max_cost=60).verdict == Verdict.BUSY
    assert valkey.reserve("three", max_cost=101).verdict == Verdict.SPENT
    valkey.run(valkey.ledger.settle([event("one", ANN, 60)]))
    reply = valkey.reserve("four", max_cost=60)
    assert (reply.verdict, reply.amount, reply.left) == (Verdict.SPENT, 0, 40)
    assert valkey.reserve("five", max_cost=60, min_cost=40).amount == 40


def test_it_is_asked_again_before_anybody_is_refused(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100)
    assert valkey.reserve("one", max_cost=101, min_cost=50).amount == 100
    valkey.run(valkey.ledger.settle([event("one", ANN, 10)]))
    valkey.age(ANN, 1001)
    assert valkey.reserve("two", max_cost=91, min_cost=50).verdict == Verdict.ASK
    assert valkey.reserve("two", max_cost=90).amount == 90
    assert valkey.reserve("three", max_cost=1).verdict == Verdict.ASK
    assert valkey.reserve("three", max_cost=1, refreshed=True).verdict == Verdict.BUSY


def test_a_refusal_is_asked_about_again_too(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100, words="You are blocked.")
    reply = valkey.reserve("one", max_cost=0)
    assert (reply.verdict, reply.words) == (Verdict.REFUSED, "You are blocked.")
    valkey.age(ANN, 1001)
    assert valkey.reserve("one", max_cost=0).verdict == Verdict.ASK
    assert valkey.reserve("one", max_cost=0, refreshed=True).verdict == Verdict.REFUSED


@pytest.mark.parametrize(("answer", "verdict"), [
    ({"remaining": 0}, Verdict.GRANTED),
    ({"remaining": -50}, Verdict.GRANTED),
    ({"remaining": 0, "words": "All is spent.", "used_up": True}, Verdict.GRANTED),
    ({"remaining": 0, "words": "You are blocked."}, Verdict.REFUSED),
    ({"remaining": 100, "words": "You are blocked."}, Verdict.REFUSED),
])  # fmt: skip
def test_what_costs_nothing_needs_no_budget_but_a_payer(
    valkey: Valkey, answer: dict[str, Any], verdict: Verdict
) -> None:
    assert valkey.reserve("one", max_cost=0).verdict == Verdict.UNKNOWN
    valkey.answer(ANN, **answer)
    assert valkey.reserve("one", max_cost=0).verdict == verdict
    valkey.age(ANN, 1001)
    again = Verdict.ASK if verdict == Verdict.REFUSED else verdict
    assert valkey.reserve("two", max_cost=0).verdict == again
    assert valkey.reserve("paid", max_cost=1).verdict in (Verdict.ASK, Verdict.GRANTED)


def test_a_free_request_does_not_wait_for_those_under_way(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100)
    valkey.reserve("one", max_cost=100)
    assert valkey.reserve("two", max_cost=1).verdict == Verdict.BUSY
    assert valkey.reserve("free", max_cost=0).verdict == Verdict.GRANTED


def test_a_reply_names_the_currency(valkey: Valkey) -> None:
    assert valkey.reserve("one", max_cost=1).currency == ""
    valkey.answer(ANN, remaining=100)
    assert valkey.reserve("one", max_cost=1).currency == "EUR"


# --- A payer who has another key now


def test_what_is_on_its_way_under_the_former_key_is_not_spent_again(valkey: Valkey) -> None:
    """A budget of 100: 10 are delivered, 20 wait for it, and 30 are under deployer."""
    valkey.answer(ANN, remaining=100)
    valkey.run(valkey.ledger.settle([event("delivered", ANN, 10)]))
    waiting = valkey.run(valkey.ledger.waiting(OUTBOX, 10))
    valkey.run(valkey.ledger.delivered(OUTBOX, waiting))
    valkey.run(valkey.ledger.settle([event("waiting", ANN, 20)]))
    valkey.reserve("under way", max_cost=30)

    valkey.answer("sub", remaining=90, former_key=ANN)
    assert valkey.reserve("all", user="sub", max_cost=1000, min_cost=1).amount == 40
    valkey.run(valkey.ledger.settle([event("all", "sub", 0)]))

    # It arrives as what it was, and is then in the answer.
    valkey.run(valkey.ledger.settle([event("under way", ANN, 25)]))
    waiting = valkey.run(valkey.ledger.waiting(OUTBOX, 10))
    assert [each.event.user for each in waiting] == [ANN, "sub", ANN]
    valkey.run(valkey.ledger.delivered(OUTBOX, waiting))
    valkey.answer("sub", remaining=45, former_key=ANN)
    assert valkey.reserve("rest", user="sub", max_cost=1000, min_cost=1).amount == 45


def test_a_former_key_that_nobody_had_changes_nothing(valkey: Valkey) -> None:
    valkey.answer("sub", remaining=90, former_key="nobody@example.com")
    assert valkey.reserve("all", user="sub", max_cost=1000, min_cost=1).amount == 90


def test_what_an_earlier_version_wrote_is_swept_and_delivered(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100)
    valkey.reserve("under way", max_cost=30)
    record = json.loads(valkey.redis.hget(RESERVATIONS, "under way"))
    del record["user_id"], record["subject"]
    valkey.redis.hset(RESERVATIONS, "under way", json.dumps(record))
    valkey.expire("under way")
    assert valkey.run(valkey.ledger.sweep()) == 1
    old = {
        "id": "ended", "user": ANN, "model": "gpt-5", "in": "1", "out": "2", "cost": "5",
        "ms": "3", "at": "1790000000003", "flags": "",
    }  # fmt: skip
    valkey.redis.xadd(OUTBOX, old)
    swept, ended = valkey.outbox()
    assert (swept.user, swept.cost, swept.on_wire("blue")["user_id"]) == (ANN, 30, ANN)
    assert ended == event("ended", ANN, 5)
    assert ended.on_wire("blue")["user_id"] == ANN


def test_a_sweep_knows_the_payer_at_the_billing_api(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100)
    held = replace(reservation(ANN), user_id="Ann@Example.com", subject="sub")
    valkey.run(
        valkey.ledger.reserve(
            "one", held, max_cost=30, min_cost=30, oldest_seconds=OLDEST_SECONDS, refreshed=False
        )
    )
    valkey.expire("one")
    valkey.run(valkey.ledger.sweep())
    [swept] = valkey.outbox()
    assert (swept.user, swept.user_id, swept.subject) == (ANN, "Ann@Example.com", "sub")
    assert valkey.budget(ANN)["spent"] == 30


# --- Many at once


def test_400_at_once_wait_for_a_connection(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=300)

    async def reserve(number: int) -> Verdict:
        reply = await valkey.ledger.reserve(
            f"request-{number}",
            reservation(ANN),
            max_cost=1,
            min_cost=1,
            oldest_seconds=OLDEST_SECONDS,
            refreshed=True,
        )
        return reply.verdict

    async def all_at_once() -> list[Verdict]:
        return await asyncio.gather(*(reserve(number) for number in range(400)))

    verdicts = Counter(valkey.run(all_at_once()))
    assert verdicts == {Verdict.GRANTED: 300, Verdict.BUSY: 100}
    assert valkey.redis.info("clients")["connected_clients"] <= CONNECTIONS + 2


def test_nothing_is_granted_from_a_budget_that_is_too_old(valkey: Valkey) -> None:
    assert valkey.reserve("one", max_cost=1).verdict == Verdict.UNKNOWN
    valkey.answer(ANN, remaining=100)
    valkey.age(ANN, OLDEST_SECONDS * 1000 - 5000)
    assert valkey.reserve("one", max_cost=1).verdict == Verdict.GRANTED
    valkey.age(ANN, 5001)
    assert valkey.reserve("two", max_cost=1).verdict == Verdict.STALE
    assert valkey.reserve("two", max_cost=1, refreshed=True).verdict == Verdict.STALE


def test_what_the_billing_api_does_not_take_stays_spent(valkey: Valkey) -> None:
    valkey.run(valkey.ledger.settle([event(each, ANN, 10) for each in ("one", "two")]))
    valkey.answer(ANN, remaining=100)
    one, two = valkey.run(valkey.ledger.waiting(OUTBOX, 10))
    for _ in range(2):  # the answer to the first was lost
        valkey.run(valkey.ledger.refuse(OUTBOX, [one]))
    assert valkey.outbox() == [two.event]
    [kept] = valkey.run(valkey.ledger.waiting(REFUSED, 10))
    assert kept.event == one.event
    assert valkey.budget(ANN)["spent"] == 20
    valkey.run(valkey.ledger.delivered(REFUSED, [kept]))
    assert valkey.budget(ANN)["delivered"] == 10
    assert not valkey.run(valkey.ledger.waiting(REFUSED, 10))


def test_a_valkey_that_lost_the_functions_gets_them_again(valkey: Valkey) -> None:
    valkey.answer(ANN, remaining=100)
    valkey.redis.function_flush()
    assert valkey.reserve("one", max_cost=1).verdict == Verdict.GRANTED
    valkey.redis.function_flush()
    sent = [event(each, ANN, 1) for each in ("one", "two")]
    valkey.run(valkey.ledger.settle(sent))
    assert valkey.outbox() == sent


def test_a_new_version_brings_its_functions(valkey: Valkey) -> None:
    old = "redis.register_function('ledger_generation', function() return 'old' end)"
    valkey.redis.function_load(f"#!lua name=ledger\n{old}", replace=True)
    new = valkey.new_ledger()
    assert valkey.run(new.generation("new")) == "new"
    valkey.run(new.close())


# --- Without memory


@pytest.fixture
def limited(valkey: Valkey) -> Iterator[Callable[[], None]]:
    """Lets Valkey have no more memory than it uses now."""
    valkey.answer(ANN, remaining=10**9)
    yield lambda: valkey.redis.config_set("maxmemory", valkey.redis.info("memory")["used_memory"])
    valkey.redis.config_set("maxmemory", 0)


def _fill(valkey: Valkey) -> int:
    """Reserve until there is no memory: how often it went well."""
    for number in range(10_000):
        try:
            valkey.reserve(f"fill-{number}", max_cost=1)
        except OutOfMemoryError:
            return number
    raise AssertionError("the memory is never full")


def test_a_probe_fails_where_a_reservation_would(
    valkey: Valkey, limited: Callable[[], None]
) -> None:
    valkey.run(valkey.ledger.probe())
    limited()
    _fill(valkey)
    with pytest.raises(OutOfMemoryError):
        valkey.run(valkey.ledger.probe())
    assert valkey.run(ledger_state(valkey.ledger)).startswith("Redis is full")
    valkey.redis.config_set("maxmemory", 0)
    assert valkey.run(ledger_state(valkey.ledger)) == "answers"


def test_a_cache_that_fills_the_memory_is_no_full_redis(
    valkey: Valkey, limited: Callable[[], None]
) -> None:
    for number in range(1000):
        valkey.redis.set(f"cache:{number}", "x" * 1000, ex=3600)
    limited()
    valkey.run(valkey.ledger.probe())


def test_what_has_begun_ends_without_memory(valkey: Valkey, limited: Callable[[], None]) -> None:
    for each in ("renewed", "settled", "swept"):
        valkey.reserve(each, max_cost=10)
    generation = valkey.run(valkey.ledger.generation("a new one"))
    valkey.expire("renewed")
    valkey.expire("swept")
    limited()
    _fill(valkey)
    assert valkey.run(valkey.ledger.generation("another")) == generation
    valkey.run(valkey.ledger.renew([("renewed", reservation(ANN, 10))]))
    valkey.run(valkey.ledger.settle([event("settled", ANN, 1)]))
    assert valkey.run(valkey.ledger.sweep()) == 1
    waiting = valkey.run(valkey.ledger.waiting(OUTBOX, 10))
    assert [each.event.request_id for each in waiting] == ["settled", "swept"]
    valkey.run(valkey.ledger.refuse(OUTBOX, waiting[:1]))
    valkey.run(valkey.ledger.delivered(OUTBOX, waiting[1:]))
    assert not valkey.outbox()


def test_a_sender_that_starts_without_memory_makes_room(
    valkey: Valkey, limited: Callable[[], None]
) -> None:
    valkey.run(valkey.ledger.settle([event("settled", ANN, 1)]))
    limited()
    _fill(valkey)
    sender = valkey.new_ledger()
    valkey.run(sender.delivered(OUTBOX, valkey.run(sender.waiting(OUTBOX, 10))))
    assert not valkey.outbox()
    valkey.run(sender.close())


def test_memory_is_taken_from_the_cache_alone(valkey: Valkey, limited: Callable[[], None]) -> None:
    valkey.run(valkey.ledger.settle([event("settled", ANN, 1)]))
    valkey.run(valkey.ledger.generation("a generation"))
    keys = set(valkey.redis.keys())
    for number in range(100):
        valkey.redis.set(f"cache:{number}", "x" * 1000, ex=3600)
    limited()
    begun = _fill(valkey)
    assert set(valkey.redis.keys()) == keys | {RESERVATIONS, LEASES}
    assert valkey.redis.hlen(RESERVATIONS) == valkey.redis.zcard(LEASES) == begun > 100
    assert valkey.budget(ANN)["reserved"] == begun
    assert len(valkey.outbox()) == 1
