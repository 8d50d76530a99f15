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

import httpx
import pytest
from jsonschema import ValidationError
from pydantic import ValidationError as InvalidError

from tests.billing import contract, gateway
from tests.billing.cases import ContractCases, Stored
from tests.billing.client import Billing, BillingProcess
from tests.billing.gateway import ALL_LOGGED, CHECK, LOG, Gateway, Json

# The first has a budget, the second is known and has none, and the third is not known.
ANN, BOB, EVE = "ann@x.example", "bob", "eve/ü@x.example"


def check(**changes: object) -> Json:
    return gateway.check("blue", ANN, **changes)


def event(request_id: str, /, **changes: object) -> Json:
    return gateway.event("blue", ANN, request_id, **changes)


def api_of(process: BillingProcess) -> Gateway:
    return Gateway(process.url, process.key, "blue")


def new_process(folder: Path) -> BillingProcess:
    return BillingProcess(folder=folder, key="hunter2")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BillingProcess]:
    with new_process(tmp_path_factory.mktemp("billing")) as process:
        yield process


@pytest.fixture(scope="module")
def connected(process: BillingProcess) -> Iterator[Gateway]:
    with api_of(process) as api:
        yield api


@pytest.fixture
def billing(process: BillingProcess) -> Billing:
    billing = process.billing
    billing.reset()
    billing.user("blue", ANN).budget("0.01")
    billing.user("blue", BOB).budget(None)
    return billing


@pytest.fixture
def api(connected: Gateway, billing: Billing) -> Gateway:  # noqa: ARG001
    return connected


@pytest.fixture
def ann() -> str:
    return ANN


@pytest.fixture
def bob() -> str:
    return BOB


@pytest.fixture
def eve() -> str:
    return EVE


@pytest.fixture
def stored(billing: Billing) -> Stored:
    return lambda user: [
        (each.request_id, each.cost) for each in billing.events("blue") if each.user == user
    ]


def logged(billing: Billing) -> list[str]:
    return [each.request_id for each in billing.events("blue")]


class TestContract(ContractCases):
    pass


# --- What a person may spend


def test_a_budget_is_changed_and_taken_away(api: Gateway, billing: Billing) -> None:
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


def test_tenants_are_apart(api: Gateway, billing: Billing) -> None:
    billing.user("red", ANN).budget("5")
    api.log([event("1"), event("2", tenant_id="red", cost_total="1")])

    assert api.used(ANN) == Decimal("0.000000125")
    assert logged(billing) == ["1"]
    assert [each.request_id for each in billing.events("red")] == ["2"]


# --- What was used


def test_an_event_is_stored_as_it_was_sent(api: Gateway, billing: Billing) -> None:
    sent = event("1", estimated=True, status="failure")
    assert api.log(sent).json() == ALL_LOGGED

    [stored] = billing.events("blue")
    renamed = {
        "tenant": sent.pop("tenant_id"),
        "user": sent.pop("user_id"),
        "cost": int(Decimal(sent.pop("cost_total")).scaleb(9)),
    }
    new: Json = {"user_subject": "", "currency": "", "model_used": "", "over_reserved": 0}
    assert stored.model_dump(exclude={"seq"}) == sent | renamed | new


@pytest.mark.parametrize(
    ("amount", "billionths"), [("0", 0), ("1e-9", 1), ("0.1", 10**8), ("8999999", 8999999 * 10**9)]
)
def test_an_amount_may_be_a_number(
    api: Gateway, billing: Billing, amount: str, billionths: int
) -> None:
    body = json.dumps(event("1", cost_total="?")).replace('"?"', amount)
    assert api.log(body.encode()).json() == ALL_LOGGED
    assert [each.cost for each in billing.events("blue")] == [billionths]


# --- What goes wrong


@pytest.mark.parametrize("status", [500, 503])
def test_an_error_logs_nothing(api: Gateway, billing: Billing, status: int) -> None:
    billing.faults(status=status)

    assert api.http.post(LOG, json=event("1")).status_code == status
    assert api.http.post(CHECK, json=check()).status_code == status
    assert logged(billing) == []


def test_a_slow_answer_is_of_something_done(api: Gateway, billing: Billing) -> None:
    billing.faults(delay_seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        api.log(event("1"), timeout=0.1)
    assert logged(billing) == []

    time.sleep(0.8)
    assert logged(billing) == ["1"]


def test_a_lost_answer_is_of_something_done(api: Gateway, billing: Billing) -> None:
    billing.faults(answer_lost=True)
    for path, body in ((LOG, event("1")), (CHECK, check())):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            api.post(path, body)

    billing.faults()
    assert api.log(event("1")).json() == ALL_LOGGED
    assert logged(billing) == ["1"]
    assert billing.requests().repeats == 1


def test_a_malformed_answer_is_of_something_done(api: Gateway, billing: Billing) -> None:
    billing.faults(malformed=True)
    for path, body in ((LOG, event("1")), (CHECK, check())):
        response = api.http.post(path, json=body)
        assert response.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            response.json()

    assert logged(billing) == ["1"]


def test_a_fault_is_of_the_paths_that_it_names(api: Gateway, billing: Billing) -> None:
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


def test_a_list_that_fails_in_its_middle_logs_nothing(api: Gateway, billing: Billing) -> None:
    # Each is valid, and the sum of the first and a few more is more than SQLite's integers hold.
    first = [event(str(number), cost_total="8999999") for number in range(1000)]
    assert api.http.post(LOG, json=first).status_code == 200
    second = [event(f"{number}-more", cost_total="8999999") for number in range(100)]

    assert api.http.post(LOG, json=[event("bob", user_id=BOB), *second]).status_code == 500
    assert logged(billing) == [each["request_id"] for each in first]


def test_what_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    process = new_process(tmp_path)
    api = api_of(process)
    with process, api, ThreadPoolExecutor(50) as pool:
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

    def send_until_it_fails(self, api: Gateway) -> None:
        with suppress(httpx.TransportError):
            for batch in count():
                events = [event(f"{self.number}-{batch}-{place}") for place in range(20)]
                self.batches.append(events)
                assert api.log(events).json() == ALL_LOGGED


def name(batch: list[Json]) -> str:
    return str(batch[0]["request_id"]).rsplit("-", 1)[0]


def test_idle_connections_outlive_a_restart(tmp_path: Path) -> None:
    process = new_process(tmp_path)
    api = api_of(process)
    with process, api:
        process.billing.user("blue", ANN).budget("1")
        assert api.log(event("1")).status_code == 200
        for end in (process.kill, process.stop):
            end()
            process.start()
            assert api.used(ANN) == Decimal("0.000000125")


# --- What the contract helper finds wrong


def test_what_was_received_is_held_to_the_contract(api: Gateway, billing: Billing) -> None:
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
