"""What a budget is worth when things break: nothing is lost, counted twice or overspent.

`make soak` kills for 50 rounds; SOAK_ROUNDS and SOAK_SEED choose another number, and a run again.
"""

import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest
import yaml

from tests.billing.client import BillingProcess
from tests.billing.server import Logged
from tests.e2e.api import chat, content
from tests.e2e.conftest import Running
from tests.e2e.money import Money, Payer, cost, message
from tests.e2e.valkey import password_of
from tests.e2e.waiting import until, until_healthy
from tests.providers.server import Call

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "3"))
SEED = int(os.environ.get("SOAK_SEED", "4"))
GRACE_SECONDS = 20
LEASE_SECONDS = 30
WORKERS = 6
PEOPLE = 20


pytestmark = pytest.mark.usefixtures("on_one_way")


@contextmanager
def away(process: BillingProcess) -> Iterator[None]:
    """While the Billing API is not there."""
    process.kill()
    try:
        yield
    finally:
        process.start()


def valkey(running: Running, *command: str) -> str:
    """What Redis answers to a command of the ledger's user."""
    script = f'REDISCLI_AUTH=$({password_of("ledger")}) exec valkey-cli --user ledger "$@"'
    code, answer = running.run("redis", "sh", "-c", script, "-", *command)
    assert code == 0, answer
    return answer.strip()


# --- The Billing API is away


def test_known_budgets_go_on_for_a_while_without_the_billing_api(
    money: Money, billing_process: BillingProcess
) -> None:
    known, stranger = money.person(), money.person()
    content(chat(known.gateway, "paid"))
    known.events_after(1)
    with away(billing_process):
        started = time.monotonic()
        for number in range(5):
            content(chat(known.gateway, "paid", f"Message {number}"))
        refused = chat(stranger.gateway, "paid")
        assert refused.status_code == 503
        assert "Billing API" in message(refused)
        assert int(refused.headers["retry-after"]) > 0
        until(lambda: chat(known.gateway, "paid").status_code == 503, seconds=GRACE_SECONDS + 15)
        assert time.monotonic() - started > GRACE_SECONDS - 5
        answered = len(money.counted("paid"))
    events = known.events_after(answered, seconds=45)
    assert [event.ended_at for event in events] == sorted(event.ended_at for event in events)
    assert sum(event.cost for event in events) == sum(cost(*c) for c in money.counted("paid"))
    until(lambda: chat(stranger.gateway, "paid").status_code == 200)


@pytest.mark.parametrize("fault", [
    {"delay_seconds": 20}, {"status": 500}, {"malformed": True}, {"answer_lost": True},
])  # fmt: skip
def test_a_sick_billing_api_keeps_nobody_waiting(money: Money, fault: dict[str, object]) -> None:
    known, stranger = money.person(), money.person()
    until(lambda: chat(known.gateway, "paid").status_code == 200)
    money.billing.faults(**fault)
    try:
        for payer, status in ((known, 200), (stranger, 503)):
            started = time.monotonic()
            assert chat(payer.gateway, "paid").status_code == status
            assert time.monotonic() - started < 2.5
    finally:
        money.billing.faults()
    known.events_after(2, seconds=60)
    until(lambda: chat(stranger.gateway, "paid").status_code == 200)


def test_a_person_whom_the_billing_api_forgets_keeps_nobody_else_waiting(money: Money) -> None:
    gone, other = money.person(), money.person()
    content(chat(gone.gateway, "paid"))
    gone.events_after(1)
    money.billing.user(money.running.slug, gone.name).delete()
    content(chat(gone.gateway, "paid"))  # the budget of a moment ago still counts
    content(chat(other.gateway, "paid"))
    other.events_after(1)
    assert int(valkey(money.running, "XLEN", "money:refused")) == 1
    # Kept, and sent again from time to time.
    assert gone.name in valkey(money.running, "XRANGE", "money:refused", "-", "+")


# --- Redis is away


def test_without_redis_nobody_is_let_through(money: Money) -> None:
    payer = money.person()
    content(chat(payer.gateway, "paid"))
    calls = len(money.counted("paid"))
    container = money.running.container("redis")
    container.pause()
    try:
        for _ in range(3):
            response = chat(payer.gateway, "paid")
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) > 0
    finally:
        container.unpause()
    assert len(money.counted("paid")) == calls
    until(lambda: chat(payer.gateway, "paid").status_code == 200, seconds=30)
    until_healthy(money.running, "redis", "litellm")
    # What Redis reads too late is nobody's request any more.
    until(lambda: nothing_is_open(money.running), seconds=LEASE_SECONDS + 30)
    assert len(payer.events()) == len(money.counted("paid"))


def test_a_request_under_way_is_written_down_when_redis_is_back(money: Money) -> None:
    payer = money.person()
    money.providers.deployment("paid").set(delay_seconds=3)
    container = money.running.container("redis")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(chat, payer.gateway, "paid")
        until(lambda: money.providers.deployment("paid").calls())
        container.pause()
        try:
            until(answer.done, seconds=40)
        finally:
            container.unpause()
    content(answer.result())
    [event] = payer.events_after(1, seconds=30)
    assert (event.cost, event.estimated) == (cost(*money.counted("paid")[0]), False)
    until_healthy(money.running, "redis", "litellm")


def test_an_emptied_redis_is_filled_again_and_nobody_overspends(money: Money) -> None:
    """A budget for 20 answers, and Redis loses everything while they are given."""
    let_tests_do_all(money.running)
    payer = money.person("0.0042")
    money.providers.deployment("paid").set(
        delay_seconds=0.5, prompt_tokens=10, completion_tokens=100
    )
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(chat, payer.gateway, "paid", max_tokens=100) for _ in range(60)]
        for _ in range(4):
            time.sleep(0.6)
            empty_ledger(money.running)
    statuses = Counter(answer.result().status_code for answer in answers)
    assert set(statuses) <= {200, 402, 429, 503}
    counted = money.counted("paid")
    assert len(counted) == statuses[200]
    events = payer.events_after(statuses[200])
    assert sum(event.cost for event in events) == sum(cost(*tokens) for tokens in counted)
    assert sum(event.cost for event in events) <= 4_200_000


def empty_ledger(running: Running) -> None:
    delete = "for _, key in ipairs(redis.call('KEYS', 'money:*')) do redis.call('DEL', key) end"
    code, printed = running.run("redis", "valkey-cli", "--user", "tests", "EVAL", delete, "0")
    assert code == 0, printed


def let_tests_do_all(running: Running) -> None:
    """No part's user may empty what the ledger keeps."""
    add = "echo 'user tests on nopass ~* +@all' >>/run/secrets/users.conf"
    assert running.run("redis", "sh", "-c", f"chmod u+w /run/secrets/* && {add}", user="0")[0] == 0
    running.container("redis").restart()
    until_healthy(running, "redis", "litellm")


def test_nobody_can_empty_redis_by_a_command(money: Money) -> None:
    for command in ("FLUSHALL", "FLUSHDB"):
        assert "NOPERM" in valkey(money.running, command)


def test_a_full_redis_is_named_where_people_and_operators_look(money: Money) -> None:
    payer = money.person()
    content(chat(payer.gateway, "paid"))
    calls = len(money.counted("paid"))
    fill_ledger(money.running)
    try:
        response = chat(payer.gateway, "paid")
        assert response.status_code == 503
        assert "Redis is full" in message(response)
        assert int(response.headers["retry-after"]) > 0
        assert len(money.counted("paid")) == calls
        until(lambda: "Redis is full" in checked(money.running), seconds=60)
    finally:
        valkey(money.running, "HDEL", FILLING, *map(str, range(MEBIBYTES)))
        valkey(money.running, "FCALL", "ledger_forget", "0", FILLING)
    until(lambda: chat(payer.gateway, "paid").status_code == 200)
    until_healthy(money.running, "litellm")


FILLING, MEBIBYTES = "money:filling", 200


def fill_ledger(running: Running) -> None:
    """Write to Redis until it takes no more, and then more in the way of a renewed reservation.

    The memory of the command that it refused would otherwise be free again for small ones.
    """
    send = f"valkey-cli --user ledger -x HSET {FILLING} $number"
    record = '{"user": "filler", "amount": "0", "model": "%s"}'
    renew = f"valkey-cli --user ledger -x FCALL ledger_renew 0 600000 {FILLING}"
    script = (
        f"export REDISCLI_AUTH=$({password_of('ledger')});"
        f" for number in $(seq 0 {MEBIBYTES - 1}); do"
        f" head -c 1048576 /dev/zero | {send} | grep -q OOM && break; done;"
        f" printf '{record}' $(head -c 8388608 /dev/zero | tr '\\0' x) | {renew} | grep -q 1"
    )
    code, printed = running.run("redis", "sh", "-c", script)
    assert code == 0, printed


def checked(running: Running) -> str:
    """What the gateway's last health check has printed, which doctor shows."""
    checks = running.container("litellm").attrs["State"]["Health"]["Log"]
    return str(checks[-1]["Output"]) if checks else ""


# --- The guard is not there


def test_without_its_guard_litellm_answers_nothing_and_is_not_ready(money: Money) -> None:
    payer = money.person()
    config = "/etc/litellm/config.yaml"
    container = money.running.container("litellm")
    _, original = money.running.run("litellm", "cat", config)
    settings = yaml.safe_load(original)
    del settings["litellm_settings"]["callbacks"]
    unguarded = yaml.safe_dump(settings)
    try:
        replace_file(money.running, config, unguarded)
        container.restart()
        until(lambda: status(payer) == 503, seconds=60)
        assert "guard" in message(chat(payer.gateway, "paid"))
        assert money.counted("paid") == []
        until(lambda: money.running.container("litellm").health != "healthy")
    finally:
        replace_file(money.running, config, original)
        container.restart()
        until_healthy(money.running, "litellm")
    content(chat(payer.gateway, "paid"))


def status(payer: Payer) -> int:
    with suppress(httpx.TransportError):
        return chat(payer.gateway, "paid").status_code
    return 0


def replace_file(running: Running, path: str, text: str) -> None:
    write = ["sh", "-c", 'chmod u+w "$2" && printf "%s" "$1" >"$2"', "-", text, path]
    code, printed = running.run("litellm", *write, user="0")
    assert code == 0, printed


# --- Everything at once


@dataclass
class Load:
    """People who chat until it stops; nobody's prompt is ever as long as one before."""

    payers: list[Payer]
    chance: random.Random
    words: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        while not self.stop.is_set():
            with self.lock:
                payer = self.chance.choice(self.payers)
                self.words[payer.name] += 1
                text = f"{payer.name} " + "word " * self.words[payer.name]
                streamed = self.chance.random() < 0.5
            try:
                answer = chat(payer.gateway, "paid", text, max_tokens=50, stream=streamed)
                if answer.status_code not in (200, 500, 502, 503):
                    self.failures.append(answer.text)
            except httpx.TransportError:  # LiteLLM was killed
                time.sleep(0.5)


def test_whatever_is_killed_every_answer_is_paid_once(
    money: Money, billing_process: BillingProcess
) -> None:
    chance = random.Random(SEED)
    print(f"SOAK_SEED={SEED} SOAK_ROUNDS={ROUNDS}")
    money.providers.deployment("paid").set(delay_seconds=0.2, chunk_delay_seconds=0.1)
    load = Load([money.person() for _ in range(PEOPLE)], chance)
    with ThreadPoolExecutor(WORKERS) as pool:
        workers = [pool.submit(load.run) for _ in range(WORKERS)]
        try:
            for _ in range(ROUNDS):
                time.sleep(chance.uniform(1, 4))
                kill_something(money.running, billing_process, chance)
        finally:
            load.stop.set()
        for worker in workers:
            worker.result()
    assert load.failures == []
    until_healthy(money.running, "redis", "litellm")
    until(lambda: nothing_is_open(money.running), seconds=LEASE_SECONDS + 60)
    compare(money, load)


def kill_something(running: Running, billing: BillingProcess, chance: random.Random) -> None:
    """Kill one, or two, of all that can be killed, and wait until it is back."""
    victims = ["litellm", "redis", "sender", "billing"]
    for victim in chance.sample(victims, chance.choice([1, 1, 2])):
        print("killing", victim)
        if victim == "billing":
            with away(billing):
                time.sleep(chance.uniform(0, 3))
        elif victim == "sender":
            kill_sender(running)
        else:
            os.kill(running.container(victim).attrs["State"]["Pid"], signal.SIGKILL)
    # Docker waits the longer the sooner a container dies again.
    time.sleep(12)
    until_healthy(running, "redis", "litellm")


def kill_sender(running: Running) -> None:
    is_sender = "tr '\\0' ' ' <$process/cmdline | grep -q 'gateway[.]sender'"
    script = (
        f"for process in /proc/[0-9]*; do {is_sender} && kill -9 ${{process#/proc/}}; done; true"
    )
    running.run("litellm", "sh", "-c", script)


def nothing_is_open(running: Running) -> bool:
    leases = valkey(running, "ZRANGEBYSCORE", "money:leases", "-inf", "+inf")
    counts = ("HLEN", "money:reservations"), ("XLEN", "money:outbox")
    return not leases and all(valkey(running, *count) == "0" for count in counts)


def compare(money: Money, load: Load) -> None:
    """What the provider answered, against what the Billing API knows, person by person."""
    events = by_user(money.billing.events(money.running.slug))
    calls = by_person(money.providers.deployment("paid").calls())
    answered = estimated = 0
    for payer in load.payers:
        counts = Counter(calls[payer.name])
        estimates = [event for event in events[payer.name] if event.estimated]
        exact = Counter(
            (event.tokens_input, event.tokens_output)
            for event in events[payer.name]
            if not event.estimated and event.status == "success"
        )
        assert exact <= counts, f"{payer.name} paid for what was not answered, or twice"
        lost = counts - exact
        assert lost.total() <= len(estimates), f"{payer.name} did not pay for {lost}"
        assert len(events[payer.name]) <= load.words[payer.name]
        for event in events[payer.name]:
            if event.status == "success" and not event.estimated:
                assert event.cost == cost(event.tokens_input, event.tokens_output)
        for event, counted in zip(
            sorted(estimates, key=lambda e: e.tokens_input)[::-1],
            sorted(lost.elements())[::-1],
            strict=False,
        ):
            assert event.tokens_input >= counted[0]
            assert event.tokens_output >= counted[1]
            assert event.cost >= cost(*counted)
        ledger = valkey(money.running, "HMGET", f"money:budget:{payer.name}", "spent", "delivered")
        assert len(set(ledger.splitlines())) == 1, f"{payer.name}: {ledger}"
        answered += counts.total()
        estimated += len(estimates)
    print(f"{load.words.total()} requests, {answered} answered, {estimated} events estimated")


def by_user(events: list[Logged]) -> defaultdict[str, list[Logged]]:
    found = defaultdict(list)
    for event in events:
        found[event.user].append(event)
    return found


def by_person(calls: list[Call]) -> defaultdict[str, list[tuple[int, int]]]:
    """Tokens of the calls that were answered, by the name that the prompt begins with."""
    found = defaultdict(list)
    for call in calls:
        if call.usage:
            name = call.body["messages"][0]["content"].split()[0]
            found[name].append((call.usage.prompt_tokens, call.usage.completion_tokens))
    return found
