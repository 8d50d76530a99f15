"""The gateway's side of the Billing API, against a real one; what it sends follows the contract."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar, Literal, TypeVar

import pytest

from gateway.billing import Billing, BillingAwayError, Budget, LogState, _budget, _log_state
from gateway.ledger import Event, Reservation
from gateway.settings import Settings
from tests.billing import client, contract
from tests.e2e.project import free_ports
from tests.gateway_settings import gateway_settings

T = TypeVar("T")
KEY = "key-of-blue"
ANN = "ann@example.com"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[client.BillingProcess]:
    with client.BillingProcess(folder=tmp_path_factory.mktemp("billing"), key=KEY) as running:
        yield running


@pytest.fixture
def api(process: client.BillingProcess) -> Iterator[client.Billing]:
    process.billing.reset()
    process.billing.user("blue", ANN).budget("1")
    yield process.billing
    for sent in process.billing.requests().bodies:
        contract.check_request("POST", sent.path, sent.body)


def settings(
    api: client.Billing,
    *,
    batch: int = 100,
    contract: Literal[1, 2] = 1,
    currency: str | None = None,
) -> Settings:
    url = str(api.base_url)
    return gateway_settings(url, batch=batch, contract=contract, currency=currency)


def asked(of: Settings, question: Callable[[Billing], Awaitable[T]], *, key: str = KEY) -> T:
    async def ask() -> T:
        async with Billing(of, key) as billing:
            return await question(billing)

    return asyncio.run(ask())


def check(of: Settings, user: str = ANN, *, key: str = KEY) -> Budget:
    return asked(of, lambda billing: billing.check(reservation(user), 125), key=key)


def reservation(user: str = ANN, **more: Any) -> Reservation:
    return Reservation(user=user, model="gpt", tokens_in=1, tokens_out=1, at=0, **more)


def log(of: Settings, *events: Event, key: str = KEY) -> set[str]:
    return asked(of, lambda billing: billing.log(events), key=key)


def event(request_id: str, user: str = ANN, cost: int = 125) -> Event:
    return Event(
        request_id=request_id,
        user=user,
        model="gpt",
        tokens_in=2,
        tokens_out=3,
        cost=cost,
        milliseconds=50,
        ended_at=1_795_513_595_461,
    )


def test_a_budget(api: client.Billing) -> None:
    log(settings(api), event("one"))
    assert check(settings(api)) == Budget(remaining=999_999_875, total=1_000_000_000, words="")


@pytest.mark.parametrize(("user", "words"), [
    ("eve@example.com", "eve@example.com"),
    ("bob@example.com", "budget"),
])  # fmt: skip
def test_a_refusal_has_the_words_of_the_billing_api(
    api: client.Billing, user: str, words: str
) -> None:
    api.user("blue", "bob@example.com").budget(None)
    budget = check(settings(api), user)
    assert budget.remaining == 0
    assert words in budget.words


def test_a_budget_that_is_spent(api: client.Billing) -> None:
    log(settings(api), event("all", cost=1_000_000_000))
    budget = check(settings(api))
    assert (budget.remaining, budget.total) == (0, 1_000_000_000)
    assert budget.words


@pytest.mark.parametrize("fault", [
    {"status": 500}, {"status": 503}, {"malformed": True}, {"answer_lost": True},
    {"delay_seconds": 2},
])  # fmt: skip
def test_no_answer_is_no_budget(api: client.Billing, fault: dict[str, object]) -> None:
    api.faults(**fault)
    with pytest.raises(BillingAwayError):
        check(settings(api))


def test_a_wrong_key_is_no_answer(api: client.Billing) -> None:
    with pytest.raises(BillingAwayError, match="refuses the tenant's key"):
        check(settings(api), key="wrong")
    with pytest.raises(BillingAwayError, match="refuses the tenant's key"):
        log(settings(api), event("one"), key="wrong")


def test_nobody_listens() -> None:
    [port] = free_ports(1)
    with pytest.raises(BillingAwayError, match="Connect"):
        check(settings(client.Billing(f"http://127.0.0.1:{port}")))


@pytest.mark.parametrize("batch", [1, 100])
def test_events_arrive_once_and_as_they_are(api: client.Billing, batch: int) -> None:
    events = [replace(event("one"), failed=True), replace(event("two", cost=0), estimated=True)]
    for _ in range(2):
        assert log(settings(api, batch=batch), *events) == set()
    logged = api.events("blue")
    assert [(each.request_id, each.cost) for each in logged] == [("one", 125), ("two", 0)]
    assert [each.status for each in logged] == ["failure", "success"]
    assert [each.estimated for each in logged] == [False, True]
    assert logged[0].ended_at == "2026-11-24T09:46:35.461Z"
    assert api.requests().repeats == 2


@pytest.mark.parametrize("batch", [1, 100])
def test_what_is_not_taken_is_named_and_the_rest_is_logged(api: client.Billing, batch: int) -> None:
    events = [event("one"), event("two", user="eve@example.com"), event("three")]
    assert log(settings(api, batch=batch), *events) == {"two"}
    assert [each.request_id for each in api.events("blue")] == ["one", "three"]


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("fault", [{"status": 500}, {"answer_lost": True}])
def test_a_failure_delivers_nothing_for_sure(
    api: client.Billing, batch: int, fault: dict[str, object]
) -> None:
    api.faults(**fault)
    with pytest.raises(BillingAwayError):
        log(settings(api, batch=batch), event("one"))
    api.faults()
    assert log(settings(api, batch=batch), event("one")) == set()
    assert len(api.events("blue")) == 1


def test_a_service_that_does_not_tell_of_its_log_is_asked_once(api: client.Billing) -> None:
    async def ask_twice(billing: Billing) -> list[object]:
        return [await billing.log_state(["one"]) for _ in range(2)]

    assert asked(settings(api, contract=2), ask_twice) == [None, None]
    assert asked(settings(api, contract=1), ask_twice) == [None, None]


@pytest.mark.parametrize(("answer", "expected"), [
    ('{"logged": true}', LogState(True, None)),
    ('{"logged": false, "safe_seconds": null}', LogState(False, None)),
    ('{"logged": true, "safe_seconds": 3.5, "more": 1}', LogState(True, 3.5)),
    *((text, None) for text in (
        "", "fine", "<html>", "{}", "[]", "null", '{"logged": "yes"}',
        '{"logged": true, "safe_seconds": "long"}',
    )),
])  # fmt: skip
def test_the_state_of_a_log(answer: str, expected: LogState | None) -> None:
    assert _log_state(answer) == expected


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a service."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Answering(BaseHTTPRequestHandler):
    """Answers `GET` with the next of what it is told, a status and a body."""

    answers: ClassVar[list[tuple[int, str]]]

    def do_GET(self) -> None:
        status, text = self.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())


TOLD = (200, '{"logged": true}')


def test_nothing_is_lost_of_nothing() -> None:
    """However a service answers: else it would be asked for ever."""

    class Here(Answering):
        answers: ClassVar = [(200, '{"logged": false}')]

    with serving(Here) as url:
        of = gateway_settings(url, contract=2)
        assert asked(of, lambda billing: billing.log_state([])) == LogState(True, None)


@pytest.mark.parametrize(("answers", "expected"), [
    # Whatever a service says that does not know the question, usage is delivered to it.
    *(([answer], [None]) for answer in (
        (405, "<html>"), (404, "{}"), (400, "no"), (200, "<html>"), (500, ""), (403, "{}"),
    )),
    ([(503, "")], ["away"]),
    ([TOLD, (500, "")], [LogState(True, None), "away"]),
    ([TOLD, (200, "{}"), TOLD], [LogState(True, None), "away", LogState(True, None)]),
])  # fmt: skip
def test_a_service_may_say_anything_of_its_log(
    answers: list[tuple[int, str]], expected: list[object]
) -> None:
    class Here(Answering):
        pass

    Here.answers = list(answers)

    async def ask(billing: Billing) -> list[object]:
        found: list[object] = []
        for _ in answers:
            try:
                found.append(await billing.log_state(["one"]))
            except BillingAwayError:
                found.append("away")
        return found

    with serving(Here) as url:
        assert asked(gateway_settings(url, contract=2), ask) == expected


# --- Versions of the contract

SUBJECT: dict[str, Any] = {"user_id": "Ann@Example.com", "subject": "sub-1"}
PLAIN = (
    b'{"tenant_id": "blue", "user_id": "Ann@Example.com", "model": "gpt", "request_id": "one",'
    b' "tokens_input": 2, "tokens_output": 3, "cost_total": "0.000000125", "response_time": 50,'
    b' "ended_at": "2026-11-24T09:46:35.461Z", "status": "success", "estimated": false}'
)


def sent(api: client.Billing, of: Settings) -> list[str]:
    """Bodies of a question, and of an event with everything that is new."""
    ended = replace(event("one"), **SUBJECT, model_used="other", over_reserved=25)
    asked(of, lambda billing: billing.check(reservation(**SUBJECT), 125))
    log(of, ended)
    return [each.body for each in api.requests().bodies]


def test_the_first_contract_is_what_it_was_byte_for_byte(api: client.Billing) -> None:
    question = (
        b'{"tenant_id": "blue", "user_id": "Ann@Example.com", "model": "gpt",'
        b' "cost_estimate": "0.000000125"}'
    )
    bodies = sent(api, settings(api, batch=1, currency="EUR"))
    assert [body.encode() for body in bodies] == [question, PLAIN]


def test_the_second_contract_says_more(api: client.Billing) -> None:
    question, logged = map(
        json.loads, sent(api, settings(api, batch=1, contract=2, currency="EUR"))
    )
    new = {"user_subject": "sub-1", "currency": "EUR"}
    assert question.items() >= new.items()
    assert logged == json.loads(PLAIN) | new | {
        "model_used": "other", "over_reserved": "0.000000025"
    }  # fmt: skip


def test_the_second_contract_leaves_out_what_nobody_knows(api: client.Billing) -> None:
    of = settings(api, batch=1, contract=2)
    check(of)
    log(of, event("one"))
    question, logged = (json.loads(each.body) for each in api.requests().bodies)
    assert set(question) == {"tenant_id", "user_id", "model", "cost_estimate", "user_subject"}
    assert set(logged) == set(json.loads(PLAIN)) | {"model_used", "over_reserved", "user_subject"}
    assert (logged["model_used"], logged["over_reserved"]) == ("gpt", "0")
    assert question["user_subject"] == logged["user_subject"] == ""


def test_a_budget_that_several_share_has_one_name(api: client.Billing) -> None:
    api.user("blue", ANN).budget("1", also=["sub-1"])
    of = settings(api, contract=2)
    assert (check(of).payer, check(of, "sub-1").payer) == ("", ANN)
    log(of, event("one", user="sub-1"))
    assert check(of).remaining == 999_999_875


def test_a_budget_has_its_currency(api: client.Billing) -> None:
    assert check(settings(api, contract=2, currency="EUR")).currency == "EUR"
    assert check(settings(api, contract=1, currency="CHF")).currency == "CHF"
    assert check(settings(api)).currency == ""


def test_a_spent_budget_is_told_from_other_refusals(api: client.Billing) -> None:
    api.user("blue", "bob").budget(None)
    api.user("blue", "zero").budget("0")
    refusals = {user: check(settings(api), user) for user in ("zero", "bob", "eve")}
    assert all(budget.words for budget in refusals.values())
    assert [user for user, budget in refusals.items() if budget.used_up] == ["zero"]


@pytest.mark.parametrize(("answer", "expected"), [
    ({"allowed": True, "status": "ok", "message": "", "budget": None}, Budget(0, 0, "")),
    ({"allowed": False, "status": "blocked", "message": "", "budget": None},
     Budget(0, 0, "blocked")),
    ({"allowed": True, "status": "ok", "message": "",
      "budget": {"total": "1", "used": "2", "remaining": "-1", "currency": "EUR"}},
     Budget(-10**9, 10**9, "", currency="EUR")),
])  # fmt: skip
def test_an_answer(answer: Any, expected: Budget) -> None:
    assert _budget(answer) == expected


@pytest.mark.parametrize("answer", [
    None, [], "", {}, {"allowed": True}, {"allowed": True, "budget": []},
    {"allowed": True, "budget": {"total": 0.1, "remaining": "1"}},
    {"allowed": True, "budget": {"total": "1"}},
    {"allowed": False, "budget": None, "message": ""},
    {"allowed": False, "budget": "much", "message": "", "status": ""},
])  # fmt: skip
def test_what_is_no_budget(answer: Any) -> None:
    with pytest.raises(BillingAwayError, match="not a budget"):
        _budget(answer)


def test_another_currency_is_never_counted_as_ours() -> None:
    async def check_in_francs() -> Budget:
        of = settings(client.Billing("http://127.0.0.1:1"), contract=2, currency="EUR")
        return Billing(of, KEY)._in_our_currency(Budget(1, 1, "", currency="CHF"))

    with pytest.raises(BillingAwayError, match="are in CHF, and the tenant's file says EUR"):
        asyncio.run(check_in_francs())
