"""That passwords cannot be guessed, and that nobody learns who has an account."""

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.services.identity.throttle import (
    ACCOUNT_ATTEMPTS,
    ACCOUNT_SECONDS,
    ALL_ATTEMPTS,
    ALL_SECONDS,
)
from tests.core.identity import Identity
from tests.core.superuser import Record


@pytest.fixture
def ann(identity: Identity) -> Record:
    return identity.person(identity.acme)


@pytest.fixture(autouse=True)
def _nobody_tried_before(identity: Identity) -> Iterator[None]:
    forget(identity)
    yield
    forget(identity)


def forget(identity: Identity) -> None:
    for attempt in identity.superuser.list("login_attempts"):
        identity.superuser.delete("login_attempts", attempt)


def fail(identity: Identity, email: str, times: int) -> None:
    visitor = identity.visitor()
    for _ in range(times):
        assert visitor.try_password(email, "wrong").status_code == 401


def pass_seconds(identity: Identity, seconds: int) -> None:
    for attempt in identity.superuser.list("login_attempts"):
        identity.superuser.update("login_attempts", attempt, at=attempt["at"] - seconds)


def test_after_some_failures_the_right_password_does_not_help_either(
    identity: Identity, ann: Record
) -> None:
    fail(identity, ann["email"], ACCOUNT_ATTEMPTS)
    answer = identity.visitor().try_password(ann["email"])
    assert answer.status_code == 429
    assert ACCOUNT_SECONDS - 30 <= int(answer.headers["retry-after"]) <= ACCOUNT_SECONDS
    assert "Try again in 15 minutes." in answer.text
    assert "core_session" not in answer.headers.get("set-cookie", "")

    pass_seconds(identity, ACCOUNT_SECONDS - 20)
    answer = identity.visitor().try_password(ann["email"])
    assert answer.status_code == 429
    assert "seconds." in answer.text
    assert (
        "Sekunden wieder."
        in identity.visitor().try_password(ann["email"], page="/login?ui_locales=de").text
    )

    pass_seconds(identity, 20)
    assert identity.visitor().try_password(ann["email"]).status_code == 303


def test_other_people_are_not_held_up(identity: Identity, ann: Record) -> None:
    fail(identity, ann["email"], ACCOUNT_ATTEMPTS)
    bob = identity.person(identity.acme)
    assert identity.visitor().try_password(bob["email"]).status_code == 303


def test_whoever_is_signed_in_stays_so(identity: Identity, ann: Record) -> None:
    visitor = identity.visitor()
    visitor.sign_in(ann["email"])
    fail(identity, ann["email"], ACCOUNT_ATTEMPTS)
    assert visitor.is_signed_in(identity.acme)


def test_the_right_password_makes_earlier_failures_forgotten(
    identity: Identity, ann: Record
) -> None:
    for _ in range(2):
        fail(identity, ann["email"], ACCOUNT_ATTEMPTS - 1)
        identity.visitor().sign_in(ann["email"])


def test_large_letters_are_no_other_account(identity: Identity, ann: Record) -> None:
    fail(identity, ann["email"], ACCOUNT_ATTEMPTS)
    for spelled in (ann["email"].upper(), f" {ann['email']} ", ann["email"].title()):
        assert identity.visitor().try_password(spelled).status_code == 429


def test_knocking_on_does_not_keep_a_person_out_for_longer(identity: Identity, ann: Record) -> None:
    fail(identity, ann["email"], ACCOUNT_ATTEMPTS)
    pass_seconds(identity, ACCOUNT_SECONDS - 10)
    for _ in range(ACCOUNT_ATTEMPTS):
        assert identity.visitor().try_password(ann["email"], "wrong").status_code == 429
    pass_seconds(identity, 10)
    assert identity.visitor().try_password(ann["email"]).status_code == 303


def test_many_at_once_are_no_way_around(identity: Identity, ann: Record) -> None:
    def guess(_: int) -> int:
        return identity.visitor().try_password(ann["email"], "wrong").status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(guess, range(32)))
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= ACCOUNT_ATTEMPTS


def test_a_crash_makes_nothing_forgotten(identity: Identity, ann: Record) -> None:
    fail(identity, ann["email"], ACCOUNT_ATTEMPTS)
    identity.process.kill()
    identity.process.start()
    assert identity.visitor().try_password(ann["email"]).status_code == 429


def test_one_password_for_many_accounts_is_throttled_too(identity: Identity, ann: Record) -> None:
    now = int(time.time())
    for number in range(ALL_ATTEMPTS):
        fields = {"account_hash": f"somebody {number}", "at": now}
        identity.superuser.create("login_attempts", **fields)
    answer = identity.visitor().try_password(ann["email"])
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= ALL_SECONDS
    pass_seconds(identity, ALL_SECONDS)
    assert identity.visitor().try_password(ann["email"]).status_code == 303


def test_nobody_learns_who_has_an_account(identity: Identity, ann: Record) -> None:
    known, unknown = ann["email"], f"nobody@{identity.acme.slug}.example"
    answers = {}
    for email in (known, unknown):
        visitor = identity.visitor()
        answers[email] = [visitor.try_password(email, "wrong") for _ in range(6)]
    for one, other in zip(answers[known], answers[unknown], strict=True):
        assert one.status_code == other.status_code
        assert said(one.text, known) == said(other.text, unknown)


def test_an_unknown_account_takes_as_long_as_a_wrong_password(identity: Identity) -> None:
    visitor = identity.visitor()
    known = [identity.person(identity.acme)["email"] for _ in range(8)]
    unknown = [f"nobody{number}@{identity.acme.slug}.example" for number in range(8)]

    def seconds(email: str) -> float:
        started = time.perf_counter()
        visitor.try_password(email, "wrong")
        return time.perf_counter() - started

    taken = [(seconds(one), seconds(other)) for one, other in zip(known, unknown, strict=True)]
    there, not_there = (statistics.median(times) for times in zip(*taken, strict=True))
    assert 0.67 < there / not_there < 1.5


def said(page: str, email: str) -> str:
    """What a page says, without what the visitor said, and what is random."""
    lines = page.replace(email, "somebody").splitlines()
    return "\n".join(line for line in lines if "form_token" not in line)
