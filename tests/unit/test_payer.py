"""The payer of a request: nobody in the chat, and nobody outside of it, can change who it is."""

import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.payer import InvalidIdentityError, Payer, chat_payer, program_payer
from gateway.settings import ApiKey, Settings
from tests.gateway_settings import gateway_settings

SECRET = "s" * 64
OIDC: dict[str, Any] = {
    "oidc_issuer": "https://id.example.com",
    "oidc_subject": "Sub-1",
    "oidc_email": "Ann@Example.com",
}


def settings(*, login: bool = True, user_id: Any = "email") -> Settings:
    url = "http://billing-api:3000"
    return gateway_settings(url, tenant="acme", login=login, contract=2, user_id=user_id)


def signed(*, key: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    known = {
        "sub": "0e7c", "email": "Chat@Example.com", "iss": "open-webui", "exp": time.time() + 300
    }  # fmt: skip
    given = {name: value for name, value in (known | claims).items() if value is not None}
    return jwt.encode(given, key if algorithm != "none" else "", algorithm)


def payer(header: str | None, **of: Any) -> Payer:
    return chat_payer(header, SECRET, settings(**of))


def test_a_person_of_a_login_pays_by_the_email_of_the_login() -> None:
    found = payer(signed(**OIDC))
    assert (found.user_id, found.key, found.subject) == ("ann@example.com",) * 2 + ("Sub-1",)


def test_a_person_of_a_login_pays_by_the_subject() -> None:
    found = payer(signed(**OIDC), user_id="subject")
    assert (found.user_id, found.key, found.subject) == ("Sub-1",) * 3
    assert found.former_key == "chat@example.com"


@pytest.mark.parametrize("user_id", ["email", "subject"])
def test_the_accounts_own_email_is_nothing_beside_a_login(user_id: str) -> None:
    names = {payer(signed(**OIDC, email=email), user_id=user_id).user_id
             for email in ("ann@example.com", "bob@example.com", None)}  # fmt: skip
    assert len(names) == 1


def test_without_an_email_of_the_login_the_subject_pays() -> None:
    assert payer(signed(**OIDC | {"oidc_email": None})).user_id == "Sub-1"


@pytest.mark.parametrize("claims", [
    {}, {"oidc_issuer": "https://id.example.com"}, {"oidc_subject": "Sub-1"},
    {"oidc_email": "ann@example.com"}, OIDC | {"oidc_subject": ""}, OIDC | {"oidc_subject": 1},
])  # fmt: skip
def test_an_account_of_the_chats_own_beside_a_login_pays_nothing_in_anybodys_name(
    claims: dict[str, Any],
) -> None:
    assert payer(signed(**claims)) == Payer.named("api@acme")


def test_a_person_without_a_login_pays_by_the_email_of_the_account() -> None:
    assert payer(signed(), login=False) == Payer.named("chat@example.com")


@pytest.mark.parametrize("login", [True, False])
def test_only_an_absent_header_is_nobody(login: bool) -> None:
    assert payer(None, login=login) == Payer.named("api@acme")


@pytest.mark.parametrize("header", [
    signed(**OIDC, exp=time.time() - 1),
    signed(**OIDC, exp=None),
    signed(**OIDC, exp="soon"),
    signed(**OIDC, nbf=time.time() + 300),
    signed(**OIDC, key="another" * 10),
    signed(**OIDC, algorithm="HS512"),
    signed(**OIDC, algorithm="none"),
    signed(**OIDC)[:-1],
    signed(**OIDC).rpartition(".")[0] + ".",
    "",
    " ",
    "ann@example.com",
    "a.b.c",
    "\xe4.\xfc.\xf6",
    ".." * 10_000,
])  # fmt: skip
@pytest.mark.parametrize("login", [True, False])
def test_a_header_that_proves_nothing_is_refused(header: str, login: bool) -> None:
    with pytest.raises(InvalidIdentityError, match=r"^The chat's proof of who asks"):
        payer(header, login=login)


@pytest.mark.parametrize("email", [None, "", " ", 1, ["ann@example.com"]])
def test_an_account_without_an_email_is_refused(email: object) -> None:
    with pytest.raises(InvalidIdentityError, match="names nobody"):
        payer(signed(email=email), login=False)


@given(st.text())
def test_any_text_is_refused(header: str) -> None:
    with pytest.raises(InvalidIdentityError):
        payer(header)


@pytest.mark.parametrize(("user", "key"), [
    ("Ann@Example.com", "ann@example.com"), ("Reports", "Reports"), ("api@acme", "api@acme"),
])  # fmt: skip
def test_a_program_shares_the_budget_of_its_user(user: str, key: str) -> None:
    found = program_payer(
        ApiKey(name="n", user=user, models=None, requests_per_minute=1, tokens_per_minute=None)
    )
    assert (found.key, found.user_id) == (key, user)
