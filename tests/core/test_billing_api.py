"""The core's Billing API on a real PocketBase, held to the contract that a gateway follows."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from tests.billing.cases import ContractCases, Stored
from tests.billing.gateway import ALL_LOGGED, LOG, Json
from tests.core.billing import PASSWORD, Api, billing, key_of, told
from tests.core.processes import AppProcess, PocketBaseProcess
from tests.core.superuser import NANOS, Record, Superuser

# In blue nobody is known who is not told, and in red everybody has a budget.
BLUE = told(
    "blue",
    people=[
        {
            "email": "first@blue.example",
            "name": "First Person",
            "role": "admin",
            "budget": {"amount": "5", "period": "month"},
        }
    ],
)
RED = told("red", default_budget={"amount": "1.5", "period": "never"})

numbers = count()


@pytest.fixture(scope="module")
def process(
    pocketbase: PocketBaseProcess,
    superuser: Superuser,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AppProcess]:
    with billing(tmp_path_factory.mktemp("billing"), pocketbase, BLUE, RED) as process:
        while not superuser.list("tenants", "slug = 'red'"):
            time.sleep(0.05)
        yield process


@pytest.fixture(scope="module")
def api(process: AppProcess) -> Iterator[Api]:
    with Api(process, "blue") as api:
        yield api


@pytest.fixture(scope="module")
def red(process: AppProcess) -> Iterator[Api]:
    with Api(process, "red") as red:
        yield red


@pytest.fixture(scope="module")
def blue(process: AppProcess, superuser: Superuser) -> Record:  # noqa: ARG001
    [tenant] = superuser.list("tenants", "slug = 'blue'")
    return tenant


@pytest.fixture
def ann(superuser: Superuser, blue: Record) -> str:
    """Somebody new with a budget of 0.01 that never starts anew."""
    user = f"ann{next(numbers)}@blue.example"
    superuser.budget(blue, user, NANOS // 100, "never")
    return user


@pytest.fixture
def bob(superuser: Superuser, blue: Record) -> str:
    """Somebody new who is known and has no budget."""
    return str(superuser.user(blue, f"bob{next(numbers)}")["email"])


@pytest.fixture
def eve() -> str:
    """Somebody new who is not known."""
    return f"eve{next(numbers)}/ü'\\@blue.example"


@pytest.fixture
def stored(superuser: Superuser) -> Stored:
    return lambda user: [(log["request_id"], log["cost"]) for log in logs(superuser, user)]


def logs(superuser: Superuser, user: str) -> list[Record]:
    """Of a person, by e-mail, or an account, by name."""
    people = superuser.list("users", "email = {user}", user=user)
    key = people[0]["id"] if people else user
    return superuser.list("usage_logs", "user = {key}", sort="@rowid", key=key)


class TestContract(ContractCases):
    pass


# --- What a person may spend


def test_what_is_left_is_said_in_words(api: Api, ann: str) -> None:
    api.log(api.event(ann, cost_total="0.009999999"))
    assert api.check(ann).json()["message"] == "0.000000001 of 0.01 EUR are left."

    api.log(api.event(ann, cost_total="0.000000001"))
    assert api.check(ann).json()["message"] == (
        "Your budget of 0.01 EUR is used up. Ask your administrator to raise it."
    )


@pytest.mark.parametrize("user", ["", "x" * 5000])
def test_what_nobody_can_be_called_is_not_known(api: Api, user: str) -> None:
    assert api.check(user).status_code == 404


def test_what_costs_nothing_needs_nothing_that_is_left(
    api: Api, red: Api, ann: str, bob: str, eve: str
) -> None:
    api.log(api.event(ann, cost_total="5"))
    for estimate, allowed in (("0", True), ("0.000000000", True), ("0.000000001", False)):
        answer = api.check(ann, cost_estimate=estimate).json()
        assert (answer["allowed"], answer["status"]) == (allowed, "exceeded")
        assert "is used up" in answer["message"]
    for user, word in ((bob, "no_budget"), (eve, "unknown_user")):
        answer = api.check(user, cost_estimate="0").json()
        assert (answer["allowed"], answer["status"]) == (False, word)
    assert red.check(eve, cost_estimate="0").json()["allowed"] is True


def test_another_currency_is_refused_in_words_and_not_counted(
    api: Api, superuser: Superuser, ann: str
) -> None:
    dollars = api.event(ann, currency="USD")
    for answer in (
        api.check(ann, currency="USD"),
        api.log(dollars),
        api.log([api.event(ann, currency="EUR"), dollars]),
    ):
        said = {"message": "currency: the budgets are in EUR, not in USD"}
        assert (answer.status_code, answer.json()) == (422, said)
    assert logs(superuser, ann) == []


def test_a_tenant_learns_whether_its_event_is_logged(api: Api, red: Api, ann: str) -> None:
    logged = api.event(ann)
    api.log(logged)
    known = logged["request_id"]
    for caller, request_ids, found in (
        (api, [known], True),
        (api, [known, known], True),
        (api, [known, "another"], False),
        (api, ["another' || '1"], False),
        (red, [known], False),  # it is another tenant's
        (api, [], True),
    ):
        answer = caller.http.get(LOG, params={"request_id": request_ids})
        assert answer.json() == {"logged": found, "safe_seconds": None}
    for wrong in ({"request_id": "x" * 65}, {"request_id": ["x"] * 21}, {"id": known}):
        assert api.http.get(LOG, params=wrong).status_code == 422


def test_a_raised_budget_counts_at_once(
    api: Api, superuser: Superuser, blue: Record, ann: str
) -> None:
    api.log(api.event(ann, cost_total="0.01"))
    assert api.check(ann).json()["status"] == "exceeded"

    [budget] = superuser.list("budgets", "tenant = {t} && user = {u}", t=blue["id"], u=ann)
    superuser.update("budgets", budget, amount=NANOS // 50)
    assert api.check(ann).json()["budget"]["remaining"] == "0.01"


def test_capital_letters_are_the_same_person(api: Api, ann: str) -> None:
    api.log(api.event(ann.upper(), cost_total="0.005"))

    assert api.used(ann) == api.used(ann.title()) == Decimal("0.005")


def test_a_month_starts_anew_and_never_does_not(
    api: Api, superuser: Superuser, blue: Record, ann: str
) -> None:
    monthly = f"monthly-{ann}"
    superuser.budget(blue, monthly, NANOS, "month")
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for user in (ann, monthly):
        for moment, cost in (
            (first - timedelta(milliseconds=1), "0.1"),
            (first - timedelta(days=400), "0.01"),
            (first, "0.002"),
            (datetime.now(UTC), "0.0003"),
            # Of UTC, whatever the zone of whoever tells.
            (first.astimezone(datetime.fromisoformat("2026-01-01T00:00+05:00").tzinfo), "0.00004"),
        ):
            event = api.event(user, ended_at=moment.isoformat(), cost_total=cost)
            assert api.log(event).json() == ALL_LOGGED

    assert api.used(monthly) == Decimal("0.00234")
    assert api.used(ann) == Decimal("0.11234")
    days = superuser.list("usage_days", "user = {user}", user=monthly)
    assert f"{first - timedelta(days=1):%Y-%m-%d}" in {day["day"] for day in days}


def test_a_spent_month_is_worth_waiting_for(api: Api, superuser: Superuser, blue: Record) -> None:
    superuser.budget(blue, "waiter", 0, "month")

    assert api.check("waiter").json()["message"] == (
        "Your budget of 0.00 EUR is used up."
        " Ask your administrator to raise it, or wait for the next month."
    )


def test_who_is_not_known_gets_the_budget_of_the_tenant_once(
    red: Api, superuser: Superuser
) -> None:
    user = f"new{next(numbers)}@red.example"
    with ThreadPoolExecutor(30) as pool:
        answers = [each.json() for each in pool.map(red.check, [user] * 30)]

    assert answers == answers[:1] * 30
    assert answers[0]["budget"] == {"total": "1.5", "used": "0", "remaining": "1.5"}
    assert len(superuser.list("budgets", "user = {user}", user=user)) == 1


def test_the_budget_of_the_tenant_does_not_replace_ones_own(red: Api, superuser: Superuser) -> None:
    [tenant] = superuser.list("tenants", "slug = 'red'")
    superuser.budget(tenant, "own", 7, "month")

    assert red.check("own").json()["budget"]["total"] == "0.000000007"
    # Whoever was logged before being asked about is known, too.
    assert red.log(red.event("later", cost_total="0.5")).json() == ALL_LOGGED
    assert red.check("later").json()["budget"]["remaining"] == "1"
    for nobody in ("", "x" * 256):
        assert red.check(nobody).status_code == 404


# --- What was used


def test_a_sum_is_exact_up_to_what_json_holds(
    api: Api, superuser: Superuser, blue: Record, ann: str
) -> None:
    nanos = 2**53 - 8_999_999_999_999_999
    api.log([api.event(ann, cost_total="8999999.999999999")])
    api.log([api.event(ann, cost_total=f"{Decimal(nanos).scaleb(-9):f}")])
    assert superuser.used(blue, ann) == 2**53

    # The answer has room for less, and whoever used more has nothing left anyway.
    answer = api.check(ann).json()
    assert answer["budget"]["used"] == "8999999.999999999"
    assert answer["budget"]["remaining"] == "-8999999.989999999"
    for _ in range(2):
        api.log([api.event(ann, cost_total="8999999.999999999") for _ in range(1000)])
    assert api.check(ann).json() == answer


def test_an_event_is_stored_as_it_was_sent(
    api: Api, superuser: Superuser, blue: Record, ann: str
) -> None:
    sent = api.event(ann, "stored-1", estimated=True, status="failure", model='ü"{}\\')
    assert api.log(sent).json() == ALL_LOGGED

    [stored] = logs(superuser, ann)
    renamed = {
        "tenant": blue["id"],
        "user": sent.pop("user_id"),
        "cost": int(Decimal(sent.pop("cost_total")).scaleb(9)),
        "ended_at": sent.pop("ended_at").replace("T", " "),
    }
    del sent["tenant_id"]
    old = {"model_used": "", "over_reserved": 0}  # by the contract's first version
    assert {name: stored[name] for name in sent | renamed | old} == sent | renamed | old


def test_an_event_of_the_second_version_is_stored_as_it_was_sent(
    api: Api, superuser: Superuser, ann: str
) -> None:
    for sent in (
        api.event(ann, model_used="other", over_reserved="8999999.999999999"),
        [api.event(ann, model_used="m", over_reserved="0.000000001")],
    ):
        assert api.log(sent).json() == ALL_LOGGED
    stored = [
        (log["model"], log["model_used"], log["over_reserved"]) for log in logs(superuser, ann)
    ]
    assert stored == [("m", "other", 8_999_999_999_999_999), ("m", "m", 1)]
    days = superuser.list("usage_days", "user = {user}", user=ann)
    assert sorted((day["model"], day["model_used"]) for day in days) == [("m", ""), ("m", "other")]


def test_a_day_is_the_sum_of_its_logs(api: Api, superuser: Superuser, ann: str) -> None:
    moments = ["2026-01-02T03:04:05Z", "2026-01-02T23:59:59.999Z", "2026-01-02T23:59:59-01:00"]
    api.log([api.event(ann, ended_at=moment, model=m) for moment in moments for m in "xy"])

    days = superuser.list("usage_days", "user = {user}", user=ann)
    numbers = ("requests", "tokens_input", "tokens_output", "cost")
    found = {(day["day"], day["model"]): [day[name] for name in numbers] for day in days}
    assert found == {
        ("2026-01-02", "x"): [2, 8, 6, 250],
        ("2026-01-02", "y"): [2, 8, 6, 250],
        ("2026-01-03", "x"): [1, 4, 3, 125],
        ("2026-01-03", "y"): [1, 4, 3, 125],
    }


def test_the_same_event_at_once_is_counted_once(api: Api, superuser: Superuser, ann: str) -> None:
    event = api.event(ann)
    bodies = [event, [event], [event, event]] * 30
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(api.log, bodies))

    assert all(answer.json() == ALL_LOGGED for answer in answers)
    assert len(logs(superuser, ann)) == 1
    assert api.used(ann) == Decimal("0.000000125")


def test_events_that_share_a_transaction_have_answers_of_their_own(
    api: Api, superuser: Superuser, ann: str, eve: str
) -> None:
    """Also when all together are more than PocketBase reads at once."""
    events = [api.event(user, model="x" * 1_500_000) for user in (ann, eve, ann, ann)]
    events += [api.event(user) for user in (ann, eve) * 20]
    with ThreadPoolExecutor(len(events)) as pool:
        answers = list(pool.map(api.log, events))

    assert [answer.status_code for answer in answers] == [
        200 if event["user_id"] == ann else 404 for event in events
    ]
    assert [len(logs(superuser, user)) for user in (ann, eve)] == [23, 0]


# --- What is not understood


def test_a_key_of_another_tenant_is_refused_and_logged(
    api: Api, red: Api, process: AppProcess, ann: str
) -> None:
    before = process.log.read_text()
    events = [red.event("x"), api.event(ann)]
    answers = [
        red.check(ann, tenant_id="blue"),
        red.log(api.event(ann)),
        red.log(events),
        red.check(ann, tenant_id="no\nbody"),
    ]

    assert [answer.status_code for answer in answers] == [401] * 4
    assert api.used(ann) == 0
    assert red.log(events[0]).json() == ALL_LOGGED
    lines = process.log.read_text().removeprefix(before).splitlines()
    said = {"event": "key_of_another_tenant", "key_of": "red"}
    assert [json.loads(line) for line in lines] == [
        *[said | {"asked": "blue"}] * 3,
        said | {"asked": "no\nbody"},
    ]
    assert key_of("red") not in process.log.read_text()


@pytest.mark.parametrize(
    "change", [{"cost_total": 1}, {"ended_at": "0001-01-01T00:00:00+01:00"}], ids=str
)
def test_what_it_could_not_keep_exactly_is_refused(
    api: Api, superuser: Superuser, ann: str, change: Json
) -> None:
    assert api.log(api.event(ann, **change)).status_code == 422
    assert logs(superuser, ann) == []


def test_what_does_not_exist_is_told_in_words(api: Api) -> None:
    for answer, status in ((api.http.get("/nothing"), 404), (api.http.put(LOG), 405)):
        assert (answer.status_code, list(answer.json())) == (status, ["message"])


# --- At the start


def test_the_first_people_are_there_and_stay_as_they_become(
    process: AppProcess, api: Api, superuser: Superuser
) -> None:
    email = "first@blue.example"
    given = {"identity": email, "password": PASSWORD}
    path = "/api/collections/users/auth-with-password"
    assert superuser.http.post(path, json=given).is_success
    assert api.check(email).json()["budget"]["total"] == "5"

    [person] = superuser.list("users", "email = {email}", email=email)
    [budget] = superuser.list("budgets", "user = {id}", id=person["id"])
    [tenant] = superuser.list("tenants", "slug = 'blue'")
    assert (person["role"], person["verified"]) == ("admin", True)
    superuser.update("users", person, role="user", name="Else")
    superuser.update("budgets", budget, amount=6 * NANOS)
    superuser.update("tenants", tenant, name="Else")
    process.stop()
    process.start()
    while superuser.list("tenants", "slug = 'blue'")[0]["name"] != "Blue":
        time.sleep(0.05)
    api.check(email)  # when it is answered, the start is over

    [person] = superuser.list("users", "email = {email}", email=email)
    assert (person["role"], person["name"]) == ("user", "Else")
    assert api.check(email).json()["budget"]["total"] == "6"


def test_what_cannot_be_at_the_start_is_logged_and_keeps_nobody_waiting(
    pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path: Path
) -> None:
    somebody = superuser.user(superuser.tenant())
    person = {"email": somebody["email"], "name": "X", "role": "admin", "budget": None}
    tenants = [
        told("taken", people=[person]),
        told("Wrong"),
        told("wrong", default_budget={"amount": "-1", "period": "month"}),
        told("right", default_budget={"amount": "1", "period": "month"}),
    ]
    with billing(tmp_path, pocketbase, *tenants) as process, Api(process, "right") as api:
        while api.check("somebody").status_code != 200:
            time.sleep(0.05)

        lines = [line for line in process.log.read_text().splitlines() if line.startswith("{")]
        said = [json.loads(line) for line in lines]
        assert [each["tenant"] for each in said] == ["taken", "Wrong", "wrong"]
        assert {each["event"] for each in said} == {"not_seeded"}
    assert superuser.list("users", "id = {id}", id=somebody["id"])[0] == somebody


def test_its_health_is_that_of_pocketbase(tmp_path: Path) -> None:
    with (
        PocketBaseProcess(folder=tmp_path) as pocketbase,
        billing(tmp_path, pocketbase, BLUE) as process,
        Api(process, "blue") as api,
    ):
        assert api.http.get("/health").status_code == 200
        pocketbase.kill()
        answers = [
            api.http.get("/health"),
            api.check("somebody"),
            api.log(api.event("somebody")),
        ]
        assert [answer.status_code for answer in answers] == [503] * 3
        for answer in answers:
            assert answer.json()["message"].startswith("PocketBase does not answer")

        pocketbase.start()
        assert api.http.get("/health").status_code == 200
        assert api.check("somebody").status_code == 404
