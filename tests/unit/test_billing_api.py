"""The Billing API of the end-to-end tests, held to the contract that a gateway follows."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import ValidationError
from pydantic import ValidationError as InvalidError

from tests.billing import contract
from tests.billing.client import Billing, BillingProcess
from tests.connections import ONE_A_REQUEST

Json = dict[str, Any]

CHECK, LOG = "/api/check-budget", "/api/log-usage"
# The first has a budget, the second is known and has none, and the third is not known.
ANN, BOB, EVE = "ann@x.example", "bob", "eve/ü@x.example"
ALL_LOGGED: Json = {"refused": []}


def check(**changes: object) -> Json:
    return {"tenant_id": "blue", "user_id": ANN, "model": "m", "cost_estimate": "0"} | changes


def event(request_id: str, /, **changes: object) -> Json:
    return {
        "tenant_id": "blue",
        "user_id": ANN,
        "model": "m",
        "request_id": request_id,
        "tokens_input": 4,
        "tokens_output": 3,
        "cost_total": "0.000000125",
        "response_time": 250,
        "ended_at": "2026-01-02T03:04:05.678Z",
        "status": "success",
        "estimated": False,
    } | changes


class Api:
    """The endpoints as a gateway calls them; whatever they answer must follow the contract."""

    def __init__(self, process: BillingProcess) -> None:
        headers = {"X-API-Key": process.key}
        self.http = httpx.Client(base_url=process.url, headers=headers, limits=ONE_A_REQUEST)

    def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body)
        response = self.http.post(path, content=content, **options)
        contract.check_response("POST", path, response.status_code, response.content)
        return response

    def check(self, user: str, **changes: object) -> httpx.Response:
        return self.post(CHECK, check(user_id=user, **changes))

    def log(self, body: object, **options: Any) -> httpx.Response:
        return self.post(LOG, body, **options)

    def used(self, user: str) -> Decimal:
        return Decimal(self.check(user).json()["budget"]["used"])


def new_process(folder: Path) -> BillingProcess:
    return BillingProcess(folder=folder, key="hunter2")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BillingProcess]:
    with new_process(tmp_path_factory.mktemp("billing")) as process:
        yield process


@pytest.fixture(scope="module")
def connected(process: BillingProcess) -> Iterator[Api]:
    api = Api(process)
    with api.http:
        yield api


@pytest.fixture
def billing(process: BillingProcess) -> Billing:
    billing = process.billing
    billing.reset()
    billing.user("blue", ANN).budget("0.01")
    billing.user("blue", BOB).budget(None)
    return billing


@pytest.fixture
def api(connected: Api, billing: Billing) -> Api:  # noqa: ARG001
    return connected


def logged(billing: Billing) -> list[str]:
    return [each.request_id for each in billing.events("blue")]


# --- What a person may spend


@pytest.mark.parametrize(
    ("user", "status", "word"),
    [(ANN, 200, "ok"), (BOB, 200, "no_budget"), (EVE, 404, "unknown_user")],
)
def test_a_budget_is_checked(api: Api, user: str, status: int, word: str) -> None:
    response = api.check(user)

    answer = response.json()
    assert (response.status_code, answer["status"]) == (status, word)
    assert answer["allowed"] is (word == "ok")
    assert (answer["budget"] is None) is (word != "ok")


def test_a_budget_goes_down_to_below_zero(api: Api) -> None:
    assert api.check(ANN).json()["budget"] == {"total": "0.01", "used": "0", "remaining": "0.01"}

    api.log(event("1", cost_total="0.009999999"))
    assert api.check(ANN).json()["allowed"] is True

    api.log(event("2", cost_total="0.000000001"))
    spent = api.check(ANN).json()
    assert (spent["allowed"], spent["status"]) == (False, "exceeded")
    assert spent["message"] == "Your budget of 0.01 is used up."

    api.log(event("3", cost_total="1"))
    assert api.check(ANN).json()["budget"]["remaining"] == "-1"


def test_a_check_leaves_the_estimate_to_the_gateway_and_changes_nothing(api: Api) -> None:
    answers = [api.check(ANN, cost_estimate=estimate).json() for estimate in ("0", "1000", 0.5)]

    assert answers[0]["allowed"] is True
    assert answers[0] == answers[1] == answers[2]


def test_a_budget_is_changed_and_taken_away(api: Api, billing: Billing) -> None:
    ann, eve = billing.user("blue", ANN), billing.user("blue", EVE)
    api.log(event("1", cost_total="0.01"))
    ann.budget("0.02")
    eve.budget("1")
    assert api.check(ANN).json()["budget"]["remaining"] == "0.01"
    assert api.check(EVE).json()["status"] == "ok"

    ann.delete()
    eve.delete()
    assert api.check(ANN).status_code == api.check(EVE).status_code == 404

    # What was used is what was logged, whatever became of the person meanwhile.
    ann.budget("1")
    assert api.used(ANN) == Decimal("0.01")


def test_tenants_are_apart(api: Api, billing: Billing) -> None:
    billing.user("red", ANN).budget("5")
    api.log([event("1"), event("2", tenant_id="red", cost_total="1")])

    assert api.used(ANN) == Decimal("0.000000125")
    assert logged(billing) == ["1"]
    assert [each.request_id for each in billing.events("red")] == ["2"]


# --- What was used


@pytest.mark.parametrize(
    ("amount", "billionths"),
    [
        ('"0"', 0),
        ("0", 0),
        ('"0.000000000"', 0),
        ('"0.000000001"', 1),
        ("1e-9", 1),
        ("0.1", 100_000_000),
        ("2", 2_000_000_000),
        ('"1234567.123456789"', 1_234_567_123_456_789),
        ("1234567.123456789", 1_234_567_123_456_789),
    ],
)
def test_an_amount_is_exact(api: Api, billing: Billing, amount: str, billionths: int) -> None:
    body = json.dumps(event("1", cost_total="?")).replace('"?"', amount)
    assert api.log(body.encode()).json() == ALL_LOGGED

    assert [each.cost for each in billing.events("blue")] == [billionths]
    assert api.used(ANN) == Decimal(billionths).scaleb(-9)


def test_an_event_is_stored_as_it_was_sent(api: Api, billing: Billing) -> None:
    sent = event("1", estimated=True, status="failure")
    assert api.log(sent).json() == ALL_LOGGED

    [stored] = billing.events("blue")
    renamed = {
        "tenant": sent.pop("tenant_id"),
        "user": sent.pop("user_id"),
        "cost": int(Decimal(sent.pop("cost_total")).scaleb(9)),
    }
    assert stored.model_dump(exclude={"seq"}) == sent | renamed


def test_a_list_is_logged_in_its_order(api: Api, billing: Billing) -> None:
    api.log(event("single"))
    api.log([event(name) for name in "cab"])

    events = billing.events("blue")
    assert [each.request_id for each in events] == ["single", *"cab"]
    assert [each.seq for each in events] == sorted(each.seq for each in events)
    assert api.used(ANN) == 4 * Decimal("0.000000125")


def test_a_repeat_changes_nothing_and_is_logged(api: Api, billing: Billing) -> None:
    api.log([event("1"), event("2"), event("1", cost_total="1")])
    before = billing.events("blue")

    assert api.log(event("1", cost_total="5")).json() == ALL_LOGGED
    assert api.log([event("2", user_id=EVE)]).json() == ALL_LOGGED
    assert api.log([event("2"), event("3")]).json() == ALL_LOGGED

    assert billing.events("blue")[:2] == before
    assert logged(billing) == ["1", "2", "3"]
    assert api.used(ANN) == 3 * Decimal("0.000000125")
    assert billing.requests().repeats == 4


def test_an_event_of_an_unknown_person_is_refused(api: Api, billing: Billing) -> None:
    assert api.log(event("1", user_id=EVE)).status_code == 404

    response = api.log([event("1", user_id=EVE), event("2"), event("3", user_id=BOB)])
    [refused] = response.json()["refused"]
    assert (response.status_code, refused["request_id"]) == (200, "1")
    assert EVE in refused["message"]
    assert logged(billing) == ["2", "3"]


# --- What is not understood


@pytest.mark.parametrize("path", [CHECK, LOG])
@pytest.mark.parametrize("key", ["", "hunter", "hunter22", "Hunter2"])
def test_a_wrong_key_is_refused(api: Api, billing: Billing, path: str, key: str) -> None:
    body = event("1") if path == LOG else check()

    assert api.post(path, body, headers={"X-API-Key": key}).status_code == 401
    assert logged(billing) == []


@pytest.mark.parametrize("path", [CHECK, LOG])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b'"text"',
        b"{}",
        b"[]",
        b"[[]]",
        b"\xff",
        b"NaN",
        b"1e99999999999999999999",
        b"[" * 100_000,
    ],
    ids=lambda body: body[:8],
)
def test_a_malformed_body_is_not_understood(api: Api, path: str, body: bytes) -> None:
    assert api.post(path, body).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"cost_total": "0.0000000001"},
        {"cost_total": 1e-10},
        {"cost_total": "1e-9"},
        {"cost_total": "1\n"},
        {"cost_total": "\u0661"},
        {"cost_total": ""},
        {"cost_total": True},
        {"cost_total": None},
        {"cost_total": 1e300},
        {"cost_total": "12345678"},
        {"cost_total": "9000000"},
        {"cost_total": 9000000},
        {"cost_total": "-0.5"},
        {"cost_total": -1},
        {"tokens_input": -1},
        {"tokens_input": "4"},
        {"tokens_output": 0.5},
        {"response_time": 2**53},
        {"request_id": "x" * 65},
        {"request_id": 1},
        {"request_id": ""},
        {"user_id": "\ud800"},
        {"user_id": "a\0"},
        {"ended_at": "2026-01-02"},
        {"ended_at": "2026-01-02T03:04:05"},
        {"ended_at": "2026-13-02T03:04:05Z"},
        {"status": "ok"},
        {"estimated": 0},
        {"colour": "blue"},
    ],
    ids=str,
)
def test_one_bad_event_keeps_all_from_being_logged(
    api: Api, billing: Billing, change: Json
) -> None:
    bad = event("2", **change)
    [name] = change

    assert api.log(bad).status_code == 422
    response = api.log([event("1"), bad])
    assert response.status_code == 422
    assert name in response.json()["message"]
    assert logged(billing) == []


def test_what_is_missing_is_told(api: Api) -> None:
    for path, whole in ((CHECK, check()), (LOG, event("1"))):
        for name in whole:
            response = api.post(path, {key: whole[key] for key in whole if key != name})
            assert response.status_code == 422
            assert name in response.json()["message"]


def test_a_list_has_at_most_1000_events(api: Api, billing: Billing) -> None:
    events = [event(str(number)) for number in range(1001)]

    assert api.log(events).status_code == 422
    assert api.log(events[:1000]).json() == ALL_LOGGED
    assert len(logged(billing)) == 1000


# --- What goes wrong


@pytest.mark.parametrize("status", [500, 503])
def test_an_error_logs_nothing(api: Api, billing: Billing, status: int) -> None:
    billing.faults(status=status)

    assert api.http.post(LOG, json=event("1")).status_code == status
    assert api.http.post(CHECK, json=check()).status_code == status
    assert logged(billing) == []


def test_a_slow_answer_is_of_something_done(api: Api, billing: Billing) -> None:
    billing.faults(delay_seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        api.log(event("1"), timeout=0.1)
    assert logged(billing) == []

    time.sleep(0.8)
    assert logged(billing) == ["1"]


def test_a_lost_answer_is_of_something_done(api: Api, billing: Billing) -> None:
    billing.faults(answer_lost=True)
    for path, body in ((LOG, event("1")), (CHECK, check())):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            api.post(path, body)

    billing.faults()
    assert api.log(event("1")).json() == ALL_LOGGED
    assert logged(billing) == ["1"]
    assert billing.requests().repeats == 1


def test_a_malformed_answer_is_of_something_done(api: Api, billing: Billing) -> None:
    billing.faults(malformed=True)
    for path, body in ((LOG, event("1")), (CHECK, check())):
        response = api.http.post(path, json=body)
        assert response.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            response.json()

    assert logged(billing) == ["1"]


def test_a_fault_is_of_the_paths_that_it_names(api: Api, billing: Billing) -> None:
    billing.faults(status=503, paths=[LOG])
    assert api.check(ANN).status_code == 200
    assert api.http.post(LOG, json=event("1")).status_code == 503

    billing.reset()
    assert api.check(ANN).status_code == 404


def test_an_unknown_fault_is_refused(billing: Billing) -> None:
    for fault in ({"stauts": 500}, {"status": 404}, {"paths": ["/api/check"]}):
        with pytest.raises(InvalidError):
            billing.faults(**fault)


# --- What is lost, or counted twice: nothing


def test_a_list_that_fails_in_its_middle_logs_nothing(api: Api, billing: Billing) -> None:
    # Each is valid, and the sum of the first and a few more is more than SQLite's integers hold.
    first = [event(str(number), cost_total="8999999") for number in range(1000)]
    assert api.http.post(LOG, json=first).status_code == 200
    second = [event(f"{number}-more", cost_total="8999999") for number in range(100)]

    assert api.http.post(LOG, json=[event("bob", user_id=BOB), *second]).status_code == 500
    assert logged(billing) == [each["request_id"] for each in first]


def test_200_events_at_once_are_counted_exactly(api: Api, billing: Billing) -> None:
    costs = [Decimal(number).scaleb(-9) for number in range(200)]
    events = [event(str(cost), cost_total=f"{cost:f}") for cost in costs]
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(api.log, events))

    assert all(answer.json() == ALL_LOGGED for answer in answers)
    assert api.used(ANN) == sum(costs)
    assert len(logged(billing)) == 200


def test_what_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    process = new_process(tmp_path)
    api = Api(process)
    with process, api.http, ThreadPoolExecutor(50) as pool:
        process.billing.user("blue", ANN).budget("1")
        senders = [Sender(name) for name in range(50)]
        done = pool.map(lambda sender: sender.send_until_it_fails(api), senders)
        time.sleep(0.5)
        process.kill()
        list(done)
        process.start()

        stored = Counter(each.rsplit("-", 1)[0] for each in logged(process.billing))
        sent = [batch for sender in senders for batch in sender.batches]
        answered = {name(batch) for sender in senders for batch in sender.batches[:-1]}
        assert answered
        assert answered <= set(stored) <= {name(batch) for batch in sent}
        assert set(stored.values()) == {20}

        for _ in range(2):
            assert all(answer.json() == ALL_LOGGED for answer in pool.map(api.log, sent))
            everything = [each["request_id"] for batch in sent for each in batch]
            assert sorted(logged(process.billing)) == sorted(everything)
            assert api.used(ANN) == len(everything) * Decimal("0.000000125")


class Sender:
    """Sends batch after batch, so that a kill always comes in the middle of one."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.batches: list[list[Json]] = []

    def send_until_it_fails(self, api: Api) -> None:
        with suppress(httpx.TransportError):
            for batch in count():
                events = [event(f"{self.number}-{batch}-{place}") for place in range(20)]
                self.batches.append(events)
                assert api.log(events).json() == ALL_LOGGED


def name(batch: list[Json]) -> str:
    return str(batch[0]["request_id"]).rsplit("-", 1)[0]


def test_idle_connections_outlive_a_restart(tmp_path: Path) -> None:
    process = new_process(tmp_path)
    api = Api(process)
    with process, api.http:
        process.billing.user("blue", ANN).budget("1")
        assert api.log(event("1")).status_code == 200
        for end in (process.kill, process.stop):
            end()
            process.start()
            assert api.used(ANN) == Decimal("0.000000125")


# --- What the contract helper finds wrong


def test_what_was_received_is_held_to_the_contract(api: Api, billing: Billing) -> None:
    api.check(ANN)
    api.log(event("1"))
    api.log([event("2"), event("3")])
    api.log(b"{")

    requests = billing.requests()
    assert requests.counts == {CHECK: 1, LOG: 3}
    assert [each.path for each in requests.bodies] == [CHECK, LOG, LOG, LOG]
    for each in requests.bodies[:-1]:
        contract.check_request("POST", each.path, each.body)
    assert requests.bodies[-1].body == "{"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHECK, check(cost_estimate=0)),
        (CHECK, check(colour="blue")),
        (LOG, []),
        (LOG, [event("1")] * 1001),
        (LOG, event("1", cost_total="0.0000000001")),
        (LOG, [event("1"), event("2", ended_at="today")]),
    ],
)
def test_a_wrong_request_is_found(path: str, body: object) -> None:
    with pytest.raises(ValidationError):
        contract.check_request("POST", path, json.dumps(body))


def test_a_wrong_response_is_found() -> None:
    for status in (200, 404, 401, 422):
        with pytest.raises(ValidationError):
            contract.check_response("POST", CHECK, status, b"{}")
    for path, status in ((CHECK, 500), ("/api/other", 200)):
        with pytest.raises(AssertionError, match="the contract has no"):
            contract.check_response("POST", path, status, b"{}")
