"""That people log in to their tenant's chat, seen from an OpenID client that is none of ours."""

import json
import time
from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.core.identity import Identity


@pytest.mark.parametrize("secret_in_form", [False, True])
def test_a_person_logs_in(identity: Identity, secret_in_form: bool) -> None:
    ann = identity.person(identity.acme, name="Ann Example", role="admin")
    with identity.visitor() as visitor:
        login_page = visitor.get(identity.acme.authorize_url())
        assert login_page.status_code == 303
        page = login_page.headers["location"]
        assert f"chat of {identity.acme.tenant.name}" in visitor.get(page).text
        back = visitor.get(visitor.sign_in(ann["email"].upper(), page).headers["location"])
    callback = back.headers["location"]

    claims = identity.acme.log_in(callback, secret_in_form=secret_in_form)

    expected = {
        "iss": identity.url,
        "aud": identity.acme.slug,
        "sub": ann["id"],
        "email": ann["email"],
        "email_verified": True,
        "name": "Ann Example",
        "role": "admin",
    }
    assert expected.items() <= claims.items()
    assert claims["auth_time"] <= claims["iat"] <= time.time() < claims["exp"]
    assert claims["sid"]
    assert userinfo(identity).json() == {
        name: claims[name] for name in ("sub", "email", "email_verified", "name", "role")
    }


def test_what_an_application_learns_is_what_it_asks_for(identity: Identity) -> None:
    visitor = identity.at(identity.acme)
    claims = identity.acme.log_in(visitor.callback(identity.acme, scope=("openid",)))
    assert not {"email", "email_verified", "name", "role"} & claims.keys()
    assert userinfo(identity).json() == {"sub": claims["sub"]}


def test_userinfo_says_what_is_so_now(identity: Identity) -> None:
    ann = identity.person(identity.acme)
    visitor = identity.visitor()
    visitor.sign_in(ann["email"])
    identity.acme.log_in(visitor.callback(identity.acme))
    identity.superuser.update("users", ann, name="Ann Other", role="admin")
    said = userinfo(identity).json()
    assert (said["name"], said["role"]) == ("Ann Other", "admin")


def test_programs_inside_are_sent_inside_and_browsers_outside(identity: Identity) -> None:
    public, internal = identity.url, identity.internal_url
    formerly = internal.replace("localhost", "old.localhost")
    for asked in (public, internal, formerly):
        headers = {"host": urlsplit(asked).netloc}
        found = httpx.get(f"{public}/.well-known/openid-configuration", headers=headers).json()
        assert found["issuer"] == public
        assert found["authorization_endpoint"] == f"{public}/authorize"
        assert found["end_session_endpoint"] == f"{public}/end-session"
        assert found["token_endpoint"] == f"{asked}/token"
        assert found["userinfo_endpoint"] == f"{asked}/userinfo"
        assert found["jwks_uri"] == f"{asked}/jwks.json"
        assert found["code_challenge_methods_supported"] == ["S256"]
        assert found["response_types_supported"] == ["code"]


@pytest.mark.parametrize("path", ["/login", "/authorize", "/end-session", "/", "/static/style.css"])
def test_pages_are_at_the_public_address_only(identity: Identity, path: str) -> None:
    answer = httpx.get(f"{identity.internal_url}{path}")
    assert answer.status_code == 421
    assert f'href="{identity.url}"' in answer.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", ""])
def test_no_other_name_is_answered_to(identity: Identity, host: str) -> None:
    for path in ("/.well-known/openid-configuration", "/login", "/token"):
        answer = httpx.get(f"{identity.url}{path}", headers={"host": host})
        assert answer.status_code == 421
        assert "evil" not in answer.text


def test_whoever_is_signed_in_is_not_asked_again(identity: Identity) -> None:
    visitor = identity.at(identity.acme)
    first = identity.acme.log_in(visitor.callback(identity.acme))
    second = identity.acme.log_in(visitor.callback(identity.acme, prompt="none"))
    assert first["sid"] == second["sid"]


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "1"}])
def test_an_application_can_ask_for_the_password_again(
    identity: Identity, asked: dict[str, Any]
) -> None:
    ann = identity.person(identity.acme)
    visitor = identity.visitor()
    visitor.sign_in(ann["email"])
    first = identity.acme.log_in(visitor.callback(identity.acme))
    time.sleep(2.1)
    page = visitor.get(identity.acme.authorize_url(**asked)).headers["location"]
    assert page.startswith("/login?")
    back = visitor.get(visitor.sign_in(ann["email"], page).headers["location"])
    second = identity.acme.log_in(back.headers["location"])
    assert second["auth_time"] > first["auth_time"]
    assert second["sid"] != first["sid"]


def test_silence_is_kept(identity: Identity) -> None:
    answer = identity.visitor().get(identity.acme.authorize_url(prompt="none"))
    assert answer.status_code == 303
    answered = httpx.URL(answer.headers["location"])
    assert str(answered).startswith(identity.acme.redirect_uri)
    assert answered.params["error"] == "login_required"
    assert answered.params["state"]


def test_the_login_page_is_in_the_language_that_the_application_asks_for(
    identity: Identity,
) -> None:
    visitor = identity.visitor()
    page = visitor.get(identity.acme.authorize_url(ui_locales="fr de")).headers["location"]
    assert '<html lang="de">' in visitor.get(page).text


def test_no_private_part_of_a_key_is_seen(identity: Identity) -> None:
    for key in httpx.get(f"{identity.url}/jwks.json").json()["keys"]:
        assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}
    for record in identity.superuser.list("oidc_keys"):
        header = json.loads(urlsafe_b64decode(record["jwe"].partition(".")[0] + "=="))
        assert header == {"alg": "dir", "enc": "A256GCM"}


def test_nothing_that_opens_anything_is_kept(identity: Identity) -> None:
    visitor = identity.at(identity.acme)
    callback = httpx.URL(visitor.callback(identity.acme))
    secret = (visitor.http.cookies["core_session"], callback.params["code"])
    kept = [*identity.superuser.list("sessions"), *identity.superuser.list("oidc_codes")]
    assert kept
    assert not any(value in str(kept) for value in secret)


def test_a_crash_ends_no_session_and_loses_no_key(identity: Identity) -> None:
    visitor = identity.at(identity.acme)
    identity.acme.log_in(visitor.callback(identity.acme))
    before = httpx.get(f"{identity.url}/jwks.json").json()
    identity.process.kill()
    identity.process.start()
    assert visitor.is_signed_in(identity.acme)
    assert userinfo(identity).status_code == 200
    assert httpx.get(f"{identity.url}/jwks.json").json() == before


def userinfo(identity: Identity) -> httpx.Response:
    """What the last one who logged in to `acme` is told about themselves."""
    token = identity.acme.tokens[-1]["access_token"]
    url = identity.acme.configuration()["userinfo_endpoint"]
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"})
