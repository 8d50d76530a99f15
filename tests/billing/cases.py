"""What holds for every Billing API that follows the contract, whatever is behind it."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from uuid import uuid4

import httpx
import pytest

from tests.billing.gateway import ALL_LOGGED, CHECK, LOG, Gateway, Json, check

Stored = Callable[[str], list[tuple[str, int]]]
"""Request ids of a user and what they cost, in billionths, in the order they were logged."""


async def logged_at_once(api: Gateway, events: Sequence[Json]) -> list[Json]:
    """What is answered to each event."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=api.http.base_url, headers=api.http.headers, timeout=60, limits=limits
    ) as client:
        answers = await asyncio.gather(*(client.post(LOG, json=event) for event in events))
    return [answer.json() for answer in answers]


class ContractCases:
    """Inherited by a module that has fixtures of these names.

    Attributes:
        api: a tenant's gateway.
        ann: a user with a budget of 0.01, of which nothing is used.
        bob: one who is known, and has no budget.
        eve: one who is not known.
        stored: what is logged of a user.
    """

    # --- What a person may spend

    def test_a_budget_is_checked(self, api: Gateway, ann: str, bob: str, eve: str) -> None:
        for user, status, word in (
            (ann, 200, "ok"),
            (bob, 200, "no_budget"),
            (eve, 404, "unknown_user"),
        ):
            response = api.check(user)
            answer = response.json()
            assert (response.status_code, answer["status"]) == (status, word)
            assert answer["allowed"] is (word == "ok")
            assert (answer["budget"] is None) is (word != "ok")
            assert user in answer["message"] or word == "ok"

    def test_a_budget_goes_down_to_below_zero(self, api: Gateway, ann: str) -> None:
        whole = {"total": "0.01", "used": "0", "remaining": "0.01"}
        assert api.check(ann).json()["budget"] == whole

        api.log(api.event(ann, cost_total="0.009999999"))
        last = api.check(ann).json()
        assert (last["allowed"], last["status"]) == (True, "ok")

        api.log(api.event(ann, cost_total="0.000000001"))
        spent = api.check(ann, cost_estimate="0.000000001").json()
        assert (spent["allowed"], spent["status"]) == (False, "exceeded")

        api.log(api.event(ann, cost_total="1"))
        assert api.check(ann).json()["budget"]["remaining"] == "-1"

    def test_a_check_leaves_the_estimate_to_the_gateway_and_changes_nothing(
        self, api: Gateway, ann: str
    ) -> None:
        estimates = ("0", "1000", "0.5")
        answers = [api.check(ann, cost_estimate=estimate).json() for estimate in estimates]

        assert answers[0]["allowed"] is True
        assert answers[0] == answers[1] == answers[2]

    # --- What was used

    @pytest.mark.parametrize(
        ("amount", "billionths"),
        [
            ("0", 0),
            ("0.000000000", 0),
            ("0.000000001", 1),
            ("2", 2_000_000_000),
            ("1234567.123456789", 1_234_567_123_456_789),
            ("8999999.999999999", 8_999_999_999_999_999),
        ],
    )
    def test_an_amount_is_exact(
        self, api: Gateway, ann: str, stored: Stored, amount: str, billionths: int
    ) -> None:
        assert api.log(api.event(ann, cost_total=amount)).json() == ALL_LOGGED

        assert [cost for _, cost in stored(ann)] == [billionths]
        assert api.used(ann) == Decimal(billionths).scaleb(-9)

    def test_a_list_is_logged_in_its_order(self, api: Gateway, ann: str, stored: Stored) -> None:
        names = [uuid4().hex for _ in range(20)]
        api.log(api.event(ann, names[0]))
        api.log([api.event(ann, name) for name in names[1:]])

        assert [name for name, _ in stored(ann)] == names
        assert api.used(ann) == 20 * Decimal("0.000000125")

    def test_a_repeat_changes_nothing_and_is_logged(
        self, api: Gateway, ann: str, eve: str, stored: Stored
    ) -> None:
        one, two, three = (uuid4().hex for _ in range(3))
        api.log([api.event(ann, one), api.event(ann, two), api.event(ann, one, cost_total="1")])

        assert api.log(api.event(ann, one, cost_total="5")).json() == ALL_LOGGED
        assert api.log([api.event(eve, two)]).json() == ALL_LOGGED
        assert api.log([api.event(ann, two), api.event(ann, three)]).json() == ALL_LOGGED

        assert stored(ann) == [(one, 125), (two, 125), (three, 125)]
        assert api.used(ann) == 3 * Decimal("0.000000125")

    def test_an_event_of_an_unknown_person_is_refused(
        self, api: Gateway, ann: str, bob: str, eve: str, stored: Stored
    ) -> None:
        response = api.log(api.event(eve))
        assert response.status_code == 404
        assert eve in response.json()["message"]

        sent = [api.event(eve), api.event(ann), api.event(bob)]
        response = api.log(sent)
        [refused] = response.json()["refused"]
        assert (response.status_code, refused["request_id"]) == (200, sent[0]["request_id"])
        assert eve in refused["message"]
        assert [len(stored(user)) for user in (eve, ann, bob)] == [0, 1, 1]

    def test_200_events_at_once_are_counted_exactly(
        self, api: Gateway, ann: str, stored: Stored
    ) -> None:
        costs = [Decimal(number).scaleb(-9) for number in range(200)]
        events = [api.event(ann, cost_total=f"{cost:f}") for cost in costs]
        assert asyncio.run(logged_at_once(api, events)) == [ALL_LOGGED] * 200
        assert api.used(ann) == sum(costs)
        assert len(stored(ann)) == 200

    # --- What the second version of the contract adds

    def test_a_budget_has_a_currency_for_whoever_asks_with_one(
        self, api: Gateway, ann: str
    ) -> None:
        assert "currency" not in api.check(ann).json()["budget"]

        answer = api.check(ann, user_subject="nobody's", currency="EUR").json()
        assert (answer["allowed"], answer["budget"]["currency"]) == (True, "EUR")

    def test_an_event_of_the_second_version_is_logged(
        self, api: Gateway, ann: str, stored: Stored
    ) -> None:
        new = {
            "user_subject": "nobody's",
            "currency": "EUR",
            "model_used": "other",
            "over_reserved": "0.000000025",
        }
        events = [api.event(ann, **new), api.event(ann)]
        for sent in (events, events[0]):
            assert api.log(sent).json() == ALL_LOGGED
        assert [cost for _, cost in stored(ann)] == [125, 125]

    # --- What is not understood

    @pytest.mark.parametrize("path", [CHECK, LOG])
    def test_a_wrong_key_is_refused(
        self, api: Gateway, ann: str, stored: Stored, path: str
    ) -> None:
        for key in ("", api.key[:-1], api.key + api.key[-1], api.key.swapcase(), "\xfc"):
            headers = {"X-API-Key": key.encode("latin-1")}
            for body in (api.event(ann), b"{"):
                assert api.post(path, body, headers=headers).status_code == 401, key
        assert stored(ann) == []

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
    def test_a_malformed_body_is_not_understood(self, api: Gateway, path: str, body: bytes) -> None:
        assert api.post(path, body).status_code == 422

    @pytest.mark.parametrize("path", [CHECK, LOG])
    def test_a_body_that_is_too_long_is_refused(self, api: Gateway, path: str) -> None:
        assert api.post(path, b" " * 5_000_000).status_code in (413, 422)

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
            {"request_id": ""},
            {"request_id": "1\x002"},
            {"request_id": 1},
            {"user_id": "\ud800"},
            {"user_id": "a\0"},
            {"ended_at": "2026-01-02"},
            {"ended_at": "2026-01-02T03:04:05"},
            {"ended_at": "2026-13-02T03:04:05Z"},
            {"ended_at": 1},
            {"status": "ok"},
            {"estimated": 0},
            {"currency": "euro"},
            {"currency": "EUR\n"},
            {"over_reserved": "-1"},
            {"over_reserved": "0.0000000001"},
            {"model_used": None},
            {"user_subject": 1},
            {"colour": "blue"},
        ],
        ids=str,
    )
    def test_one_bad_event_keeps_all_from_being_logged(
        self, api: Gateway, ann: str, stored: Stored, change: Json
    ) -> None:
        bad = api.event(ann, **change)
        [name] = change

        assert api.log(bad).status_code == 422
        response = api.log([api.event(ann), bad])
        assert response.status_code == 422
        # A half of a character may be no JSON for a parser, and then it has no place.
        assert name in response.json()["message"] or change == {"user_id": "\ud800"}
        assert stored(ann) == []

    def test_what_is_missing_is_told(self, api: Gateway, ann: str) -> None:
        for path, whole in ((CHECK, check(api.tenant, ann)), (LOG, api.event(ann))):
            for name in whole:
                response = api.post(path, {key: whole[key] for key in whole if key != name})
                assert response.status_code == 422
                assert name in response.json()["message"]

    def test_a_list_has_at_most_1000_events(self, api: Gateway, ann: str, stored: Stored) -> None:
        events = [api.event(ann) for _ in range(1001)]

        assert api.log(events).status_code == 422
        assert api.log(events[:1000]).json() == ALL_LOGGED
        assert len(stored(ann)) == 1000
