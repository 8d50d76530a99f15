"""The callers of the gateway: what each key may call, and whom its requests are counted for."""

import time

import jwt
import pytest

from gateway import callers
from gateway.callers import Caller, KeyHolder, check_models, key_holder, routes_of
from gateway.payer import InvalidIdentityError
from gateway.refusal import Refusal
from gateway.settings import ApiKey, Limits
from tests.gateway_settings import NO_LIMITS, gateway_settings

MASTER, CHAT, PROGRAM = "sk-master", "sk-chat", "sk-reports"
SIGNED_WITH = "s" * 64
PERSON = Limits(requests_per_minute=5, tokens_per_minute=None)
REPORTS = ApiKey(
    name="reports",
    user="it@example.com",
    models=("gpt",),
    requests_per_minute=60,
    tokens_per_minute=1000,
)


@pytest.fixture(autouse=True)
def _tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    told = gateway_settings("http://billing-api:3000", tenant="acme").model_copy(
        update={"keys": (REPORTS,), "person": PERSON}
    )
    monkeypatch.setattr(callers, "settings", lambda: told)
    for name, value in (
        ("LITELLM_MASTER_KEY", MASTER),
        ("OPENWEBUI_API_KEY", CHAT),
        ("OPENWEBUI_JWT_SECRET", SIGNED_WITH),
        ("API_KEY_REPORTS", PROGRAM),
    ):
        monkeypatch.setenv(name, value)


def holder(key: str) -> KeyHolder:
    found = key_holder(key)
    assert found
    return found


def caller(key: str, header: str | None = None) -> Caller:
    return holder(key).caller(header)


def header(email: str) -> str:
    return jwt.encode({"email": email, "exp": time.time() + 60}, SIGNED_WITH, "HS256")


@pytest.mark.parametrize("key", [None, "", "sk-other", MASTER + "x", MASTER[:-1], "sk-mäster"])
def test_an_unknown_key_is_nobodys(key: str | None) -> None:
    assert key_holder(key) is None
    assert routes_of(key or "") is None


@pytest.mark.parametrize(("method", "route", "who"), [
    ("POST", "/v1/chat/completions", {MASTER, CHAT, PROGRAM}),
    ("GET", "/v1/chat/completions", set()),
    ("POST", "/v1/messages", {MASTER, PROGRAM}),
    ("GET", "/v1/models", {MASTER, CHAT, PROGRAM}),
    ("GET", "/v1/models/a/b", {MASTER, CHAT, PROGRAM}),
    ("GET", "/models/gpt", {MASTER, CHAT, PROGRAM}),
    ("DELETE", "/v1/models/gpt", set()),
    ("GET", "/v1/responses/r1", {MASTER, PROGRAM}),
    ("GET", "/v1/responses/r1/input_items", {MASTER, PROGRAM}),
    ("POST", "/v1/responses/r1/cancel", {MASTER, PROGRAM}),
    ("DELETE", "/v1/responses/r1", {MASTER, PROGRAM}),
    ("GET", "/metrics", {MASTER}),
    ("POST", "/key/generate", set()),
    ("GET", "/v1/files", set()),
])  # fmt: skip
def test_a_key_is_for_its_routes_only(method: str, route: str, who: set[str]) -> None:
    may = {key for key in (MASTER, CHAT, PROGRAM) if holder(key).may_call(method, route)}
    assert may == who


def test_the_master_key_is_the_accounts() -> None:
    found = caller(MASTER)
    assert (found.is_administrator, found.payer.user_id, found.person) == (True, "api@acme", "")


def test_a_person_of_the_chat_has_limits_of_their_own() -> None:
    found = caller(CHAT, header("Ann@example.com"))
    assert (found.payer.user_id, found.person) == ("ann@example.com",) * 2
    assert found.person_limits == PERSON
    assert found.limits == NO_LIMITS


def test_the_chat_itself_is_nobody_in_particular() -> None:
    found = caller(CHAT)
    assert (found.payer.user_id, found.person) == ("api@acme", "")


def test_a_header_that_proves_nothing_is_not_taken() -> None:
    with pytest.raises(InvalidIdentityError):
        caller(CHAT, "forged")


def test_a_program_has_what_its_key_says_whatever_header_it_sends() -> None:
    found = caller(PROGRAM, header("ann@example.com"))
    assert (found.key_id, found.key_name) == ("program-reports", "reports")
    assert (found.payer.user_id, found.user) == ("it@example.com",) * 2
    assert (found.models, found.limits, found.person) == (("gpt",), REPORTS, "")


@pytest.mark.parametrize("model", ["claude", "", None, ["gpt"]])
def test_a_key_is_for_its_models_only(model: object) -> None:
    check_models((), model)
    check_models(("gpt",), "gpt")
    with pytest.raises(Refusal, match=r"This key is for gpt only\."):
        check_models(("gpt",), model)
