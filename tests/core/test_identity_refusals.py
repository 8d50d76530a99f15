"""What an attacker may try, by RFC 6819, RFC 9700 and OpenID Connect, one by one.

Each case begins with what would be right, and changes one thing of it.
"""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from oauthlib.oauth2 import MismatchingStateError

from tests.core.chat import Chat
from tests.core.identity import Identity, Visitor
from tests.core.superuser import Record

VERIFIER = "a-verifier-of-the-tests-that-is-long-enough-to-be-one"

Change = Mapping[str, str | None]
RIGHT: Change = {}


def s256(verifier: str) -> str:
    return base64url(hashlib.sha256(verifier.encode()).digest())


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def changed(right: Mapping[str, str], change: Change) -> dict[str, str]:
    """What is right but for a change, in which None takes a thing away."""
    mixed = {**right, **change}
    return {name: value for name, value in mixed.items() if value is not None}


def question(chat: Chat, **change: str | None) -> dict[str, str]:
    right = {
        "client_id": chat.slug,
        "redirect_uri": chat.redirect_uri,
        "response_type": "code",
        "scope": "openid email profile",
        "state": "a state",
        "nonce": "a nonce",
        "code_challenge": s256(VERIFIER),
        "code_challenge_method": "S256",
    }
    return changed(right, change)


def ask(visitor: Visitor, chat: Chat, **change: str | None) -> httpx.Response:
    return visitor.get("/authorize", **question(chat, **change))


def code_of(visitor: Visitor, chat: Chat, **change: str | None) -> str:
    return httpx.URL(ask(visitor, chat, **change).headers["location"]).params["code"]


def exchange(
    identity: Identity, chat: Chat, code: str, change: Change = RIGHT, headers: Change = RIGHT
) -> httpx.Response:
    url = f"{identity.internal_url}/token"
    form = changed(exchange_form(chat, code), change)
    encoded = {name.encode(): value.encode() for name, value in changed({}, headers).items()}
    return httpx.post(url, data=form, headers=encoded)


def exchange_form(chat: Chat, code: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": chat.redirect_uri,
        "code_verifier": VERIFIER,
        "client_id": chat.slug,
        "client_secret": chat.secret,
    }


def stored(identity: Identity, code: str) -> Record:
    hashed = hashlib.sha256(code.encode()).hexdigest()
    [record] = identity.superuser.list("oidc_codes", "code_hash = {hash}", hash=hashed)
    return record


def pass_seconds(identity: Identity, code: str, seconds: int) -> None:
    record = stored(identity, code)
    earlier = record["expires_at"] - seconds
    identity.superuser.update("oidc_codes", record, expires_at=earlier)


def userinfo(identity: Identity, token: str) -> httpx.Response:
    headers = {b"Authorization": f"Bearer {token}".encode()}
    return httpx.get(f"{identity.internal_url}/userinfo", headers=headers)


@pytest.fixture
def visitor(identity: Identity) -> Visitor:
    """Somebody who has signed in."""
    return identity.at(identity.acme)


def test_what_is_right_is_not_refused(identity: Identity, visitor: Visitor) -> None:
    tokens = exchange(identity, identity.acme, code_of(visitor, identity.acme))
    assert tokens.status_code == 200
    assert tokens.headers["cache-control"] == "no-store"
    assert userinfo(identity, tokens.json()["access_token"]).status_code == 200


# --- Addresses and clients: a page, and nobody is sent anywhere

BAD_ADDRESSES: dict[str, Callable[[str], str | None]] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "more path": lambda right: f"{right}/more",
    "less path": lambda right: right.removesuffix("/callback"),
    "parent path": lambda right: f"{right}/../callback",
    "double slash": lambda right: right.replace("/oauth", "//oauth"),
    "trailing slash": lambda right: f"{right}/",
    "other case": lambda right: right.replace("callback", "Callback"),
    "encoded path": lambda right: right.replace("oidc", "%6Fidc"),
    "extra query": lambda right: f"{right}?next=1",
    "fragment": lambda right: f"{right}#",
    "white space": lambda right: f"{right} ",
    "line break": lambda right: f"{right}\r\nX-Header: 1",
    "other port": lambda right: right.replace("127.0.0.1:", "127.0.0.1:1"),
    "other name of the host": lambda right: right.replace("127.0.0.1", "localhost"),
    "other scheme": lambda right: right.replace("http:", "https:"),
    "user in front": lambda right: right.replace("http://", "http://evil.example@"),
    "host as user": lambda right: right.replace("/oauth", "@evil.example/oauth"),
    "backslash": lambda right: right.replace("/oauth", "\\@evil.example/oauth"),
    "prefix of the host": lambda right: right.replace("127.0.0.1", "127.0.0.1.evil.example"),
    "script": lambda _: "javascript:alert(1)",
    "elsewhere": lambda _: "https://evil.example/oauth/oidc/callback",
}


@pytest.mark.parametrize("bad", BAD_ADDRESSES.values(), ids=BAD_ADDRESSES)
def test_nobody_is_sent_to_an_address_that_is_not_the_clients(
    identity: Identity, visitor: Visitor, bad: Callable[[str], str | None]
) -> None:
    for who in (visitor, identity.visitor()):
        answer = ask(who, identity.acme, redirect_uri=bad(identity.acme.redirect_uri))
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "evil" not in answer.text


@pytest.mark.parametrize("client", [None, "", "nobody", "ACME", "acme%00"])
def test_an_unknown_client_gets_a_page(
    identity: Identity, visitor: Visitor, client: str | None
) -> None:
    answer = ask(visitor, identity.acme, client_id=client)
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_a_client_cannot_use_the_address_of_another(identity: Identity, visitor: Visitor) -> None:
    answer = ask(visitor, identity.acme, redirect_uri=identity.other.redirect_uri)
    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "code_challenge"])
def test_nothing_may_be_said_twice(identity: Identity, visitor: Visitor, name: str) -> None:
    query = httpx.QueryParams(question(identity.acme)).add(name, "another")
    answer = visitor.http.get("/authorize", params=query)
    assert answer.status_code == 400
    assert "location" not in answer.headers


# --- Wrong questions: the application is told, with the state it gave

BAD_QUESTIONS: dict[str, tuple[Change, str]] = {
    "no response type": ({"response_type": None}, "invalid_request"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "implicit ID token": ({"response_type": "id_token"}, "unsupported_response_type"),
    "implicit, both": ({"response_type": "id_token token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "hybrid, all": ({"response_type": "code id_token token"}, "unsupported_response_type"),
    "answer in the fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "answer in a form": ({"response_mode": "form_post"}, "invalid_request"),
    "no PKCE": ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    "no challenge": ({"code_challenge": None}, "invalid_request"),
    "no method, which is plain": ({"code_challenge_method": None}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "plain challenge": ({"code_challenge": VERIFIER}, "invalid_request"),
    "short challenge": ({"code_challenge": "abc"}, "invalid_request"),
    "no state": ({"state": None}, "invalid_request"),
    "empty state": ({"state": ""}, "invalid_request"),
    "long nonce": ({"nonce": "n" * 1001}, "invalid_request"),
    "no openid": ({"scope": "email"}, "invalid_scope"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "request object": ({"request": "e30.e30."}, "request_not_supported"),
    "request by address": ({"request_uri": "http://evil.example"}, "request_uri_not_supported"),
    "silence and more": ({"prompt": "none login"}, "invalid_request"),
    "odd age": ({"max_age": "-1"}, "invalid_request"),
    "endless age": ({"max_age": "9" * 5000}, "invalid_request"),
}


@pytest.mark.parametrize(("change", "error"), BAD_QUESTIONS.values(), ids=BAD_QUESTIONS)
def test_a_wrong_question_is_answered_to_the_application(
    identity: Identity, visitor: Visitor, change: Change, error: str
) -> None:
    for who in (visitor, identity.visitor()):
        answer = ask(who, identity.acme, **change)
        assert answer.status_code == 303
        url = httpx.URL(answer.headers["location"])
        assert str(url).startswith(f"{identity.acme.redirect_uri}?")
        assert url.params["error"] == error
        assert url.params["iss"] == identity.url
        assert url.params.get("state") == {"state": "a state", **change}["state"]
        assert "code" not in url.params


def test_a_changed_state_is_noticed_by_the_client(identity: Identity, visitor: Visitor) -> None:
    callback = httpx.URL(visitor.callback(identity.acme))
    state = callback.params["state"]
    session, nonce = identity.acme._under_way.pop(state)
    identity.acme._under_way["stolen"] = session, nonce
    with pytest.raises(MismatchingStateError):
        identity.acme.log_in(str(callback.copy_set_param("state", "stolen")))


def test_state_and_nonce_come_back_as_they_were(identity: Identity, visitor: Visitor) -> None:
    odd = " &code=x#\"'<ü€>\r\n %00 "
    answer = httpx.URL(ask(visitor, identity.acme, state=odd, nonce=odd).headers["location"])
    assert answer.params["state"] == odd
    [code] = answer.params.get_list("code")
    tokens = exchange(identity, identity.acme, code).json()
    assert identity.acme.checked(tokens["id_token"])["nonce"] == odd


# --- Codes

BAD_EXCHANGES: dict[str, tuple[Change, str]] = {
    "no verifier": ({"code_verifier": None}, "invalid_request"),
    "other verifier": ({"code_verifier": VERIFIER + "x"}, "invalid_grant"),
    "the challenge as verifier": ({"code_verifier": s256(VERIFIER)}, "invalid_grant"),
    "verifier of other letters": ({"code_verifier": "ü" * 43}, "invalid_grant"),
    "no redirect": ({"redirect_uri": None}, "invalid_request"),
    "other redirect": ({"redirect_uri": "http://127.0.0.1/"}, "invalid_grant"),
    "no code": ({"code": None}, "invalid_request"),
    "unknown code": ({"code": "unknown"}, "invalid_grant"),
    "code that is a filter": ({"code": "' || code_hash != '"}, "invalid_grant"),
    "no grant type": ({"grant_type": None}, "unsupported_grant_type"),
    "password": ({"grant_type": "password"}, "unsupported_grant_type"),
    "client credentials": ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    "refresh": ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
}


@pytest.mark.parametrize(("change", "error"), BAD_EXCHANGES.values(), ids=BAD_EXCHANGES)
def test_a_code_is_refused(
    identity: Identity, visitor: Visitor, change: Change, error: str
) -> None:
    code = code_of(visitor, identity.acme)
    answer = exchange(identity, identity.acme, code, change)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["code", "redirect_uri", "code_verifier", "client_id", "scope"])
def test_nothing_may_be_said_twice_with_a_code(
    identity: Identity, visitor: Visitor, name: str
) -> None:
    code = code_of(visitor, identity.acme)
    form = exchange_form(identity.acme, code)
    twice = {**form, name: [form.get(name, "openid")] * 2}
    answer = httpx.post(f"{identity.internal_url}/token", data=twice)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert exchange(identity, identity.acme, code).is_success, "the code is not lost"


def test_a_verifier_cannot_be_guessed(identity: Identity, visitor: Visitor) -> None:
    code = code_of(visitor, identity.acme)
    assert exchange(identity, identity.acme, code, {"code_verifier": "wrong"}).is_error
    assert exchange(identity, identity.acme, code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("seconds", [0, 60, 3600])
def test_a_code_that_is_used_twice_ends_its_session(
    identity: Identity, visitor: Visitor, seconds: int
) -> None:
    code = code_of(visitor, identity.acme)
    token = exchange(identity, identity.acme, code).json()["access_token"]
    assert userinfo(identity, token).status_code == 200
    pass_seconds(identity, code, seconds)
    again = exchange(identity, identity.acme, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    told = identity.process.log.read_text()
    said = {"event": "code_used_twice", "client": identity.acme.slug}
    assert json.loads(told.splitlines()[-1]) == said
    assert code not in told
    assert token not in told
    assert userinfo(identity, token).status_code == 401
    assert not visitor.is_signed_in(identity.acme)


def test_of_many_who_use_a_code_at_once_one_gets_it(identity: Identity, visitor: Visitor) -> None:
    code = code_of(visitor, identity.acme)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: exchange(identity, identity.acme, code), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 400}
    tokens = [answer.json()["access_token"] for answer in answers if answer.is_success]
    assert len(tokens) <= 1
    assert all(userinfo(identity, token).status_code == 401 for token in tokens)


def test_a_code_is_of_no_use_to_another_client(identity: Identity, visitor: Visitor) -> None:
    code = code_of(visitor, identity.acme)
    answer = exchange(identity, identity.other, code)
    assert answer.json()["error"] == "invalid_grant"
    answer = exchange(identity, identity.other, code, {"redirect_uri": identity.acme.redirect_uri})
    assert answer.json()["error"] == "invalid_grant"
    assert exchange(identity, identity.acme, code).is_success, "and nobody lost it by that"


def test_a_code_lasts_a_minute(identity: Identity, visitor: Visitor) -> None:
    code = code_of(visitor, identity.acme)
    assert 55 <= stored(identity, code)["expires_at"] - time.time() <= 60
    pass_seconds(identity, code, 60)
    assert exchange(identity, identity.acme, code).json()["error"] == "invalid_grant"


def test_a_code_is_worth_nothing_when_its_session_is_over(
    identity: Identity, visitor: Visitor
) -> None:
    code = code_of(visitor, identity.acme)
    visitor.post("/sign-out")
    assert exchange(identity, identity.acme, code).json()["error"] == "invalid_grant"


# --- Who may ask for tokens

SOMEBODY = "c29tZWJvZHk6d3Jvbmc="  # somebody:wrong

BAD_CLIENTS: dict[str, tuple[Change, Change, int]] = {
    "no client": ({"client_id": None, "client_secret": None}, {}, 401),
    "no secret": ({"client_secret": None}, {}, 401),
    "empty secret": ({"client_secret": ""}, {}, 401),
    "wrong secret": ({"client_secret": "0" * 64}, {}, 401),
    "secret of other letters": ({"client_secret": "ü"}, {}, 401),
    "unknown client": ({"client_id": "nobody"}, {}, 401),
    "wrong header": (
        {"client_id": None, "client_secret": None},
        {"Authorization": f"Basic {SOMEBODY}"},
        401,
    ),
    "garbage in the header": (
        {"client_id": None, "client_secret": None},
        {"Authorization": "Basic !!!"},
        401,
    ),
    "bytes in the header that are no text": (
        {"client_id": None, "client_secret": None},
        {"Authorization": "Basic /////w=="},
        401,
    ),
    "letters in the header that are no base64": (
        {"client_id": None, "client_secret": None},
        {"Authorization": "Basic ü"},
        401,
    ),
    "another kind of header": (
        {"client_id": None, "client_secret": None},
        {"Authorization": "Bearer x"},
        401,
    ),
    "header and form": ({}, {"Authorization": f"Basic {SOMEBODY}"}, 400),
}


@pytest.mark.parametrize(("change", "headers", "status"), BAD_CLIENTS.values(), ids=BAD_CLIENTS)
def test_a_client_has_to_prove_who_it_is(
    identity: Identity, visitor: Visitor, change: Change, headers: Change, status: int
) -> None:
    code = code_of(visitor, identity.acme)
    answer = exchange(identity, identity.acme, code, change, headers)
    assert answer.status_code == status
    assert answer.json()["error"] == ("invalid_client" if status == 401 else "invalid_request")
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert answer.headers["cache-control"] == "no-store"
    assert exchange(identity, identity.acme, code).is_success, "the code is not lost"


def test_the_secret_of_another_client_does_not_do(identity: Identity, visitor: Visitor) -> None:
    code = code_of(visitor, identity.acme)
    answer = exchange(identity, identity.acme, code, {"client_secret": identity.other.secret})
    assert answer.status_code == 401


def test_tokens_are_not_asked_for_in_an_address(identity: Identity) -> None:
    assert httpx.get(f"{identity.url}/token").status_code == 405


def test_no_page_elsewhere_may_ask_with_a_script(identity: Identity) -> None:
    for path in ("/token", "/userinfo", "/login"):
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        answer = httpx.options(f"{identity.url}{path}", headers=headers)
        assert "access-control-allow-origin" not in answer.headers


# --- Tokens


def test_tokens_that_are_not_ours_are_refused(identity: Identity, visitor: Visitor) -> None:
    tokens = exchange(identity, identity.acme, code_of(visitor, identity.acme)).json()
    right = tokens["access_token"]
    for name, token in forged(identity, right, tokens["id_token"]).items():
        answer = userinfo(identity, token)
        assert answer.status_code == 401, name
        assert 'error="invalid_token"' in answer.headers["www-authenticate"], name
        assert "x-header" not in answer.headers, name
    assert userinfo(identity, right).status_code == 200


def forged(identity: Identity, right: str, id_token: str) -> dict[str, str]:
    header, claims, signature = right.split(".")
    kid = jwt.get_unverified_header(right)["kid"]
    content = jwt.decode(right, options={"verify_signature": False})
    keys = httpx.get(f"{identity.url}/jwks.json").json()["keys"]
    [public] = [jwt.PyJWK(key).key for key in keys if key["kid"] == kid]
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    mine = jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key(), as_dict=True)

    def part(value: Mapping[str, Any]) -> str:
        return base64url(json.dumps(value).encode())

    def by_hmac(secret: bytes, algorithm: str = "HS256") -> str:
        head = part({"alg": algorithm, "typ": "at+jwt", "kid": kid})
        digest = hmac.digest(secret, f"{head}.{claims}".encode(), "sha256")
        return f"{head}.{claims}.{base64url(digest)}"

    def by_stranger(**more: Any) -> str:
        headers = {"typ": "at+jwt"} | more
        return jwt.encode(content, stranger, "RS256", headers=headers)

    none = {name: part({"alg": name, "typ": "at+jwt", "kid": kid}) for name in ("none", "None", "")}
    return {
        "garbage": "garbage",
        "empty parts": "..",
        "not ASCII": "ü.ü.ü",
        "no signature": f"{header}.{claims}.",
        "none": f"{none['none']}.{claims}.",
        "None": f"{none['None']}.{claims}.{signature}",
        "no algorithm": f"{none['']}.{claims}.{signature}",
        "HS256 with the public key": by_hmac(pem),
        "HS256 with the public key in DER": by_hmac(der),
        "HS256 with the modulus": by_hmac(keys[0]["n"].encode()),
        "HS256 with nothing": by_hmac(b""),
        "RS256, but by HMAC": by_hmac(pem, "RS256"),
        "by a stranger": by_stranger(kid=kid),
        "by a stranger whose key is in it": by_stranger(jwk=mine),
        "by a stranger whose key is at an address": by_stranger(jku="http://evil.example/jwks"),
        "by a stranger with another id": by_stranger(kid="another"),
        "by a stranger without an id": by_stranger(),
        "a critical header": by_stranger(kid=kid, crit=["exp"]),
        "a critical header of odd letters": by_stranger(kid=kid, crit=["€\r\nX-Header: 1"]),
        "a critical header that is no list": part({"alg": "RS256", "kid": kid, "crit": 1}) + "..",
        "other claims": f"{header}.{part({**content, 'sub': 'somebody'})}.{signature}",
        "later": f"{header}.{part({**content, 'exp': 9999999999})}.{signature}",
        "an ID token": id_token,
    }


def test_a_token_ends_with_its_session(identity: Identity, visitor: Visitor) -> None:
    token = exchange(identity, identity.acme, code_of(visitor, identity.acme)).json()
    visitor.post("/sign-out")
    answer = userinfo(identity, token["access_token"])
    assert answer.status_code == 401
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic YTpi", "Token x"])
def test_userinfo_needs_a_token(identity: Identity, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{identity.url}/userinfo?access_token=x", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


# --- People


def test_whoever_is_of_another_tenant_gets_no_code(identity: Identity) -> None:
    stranger = identity.at(identity.other)
    page = ask(stranger, identity.acme).headers["location"]
    assert page.startswith("/login?")
    assert f"does not belong to {identity.acme.tenant.name}" in stranger.get(page).text
    answer = httpx.URL(ask(stranger, identity.acme, prompt="none").headers["location"])
    assert answer.params["error"] == "access_denied"
    # Signing in there does not help, and as the right person it does.
    person = identity.person(identity.other)["email"]
    again = stranger.get(stranger.sign_in(person, page).headers["location"])
    assert again.headers["location"].startswith("/login?")
    right = identity.person(identity.acme)["email"]
    back = stranger.get(stranger.sign_in(right, page).headers["location"])
    assert back.headers["location"].startswith(identity.acme.redirect_uri)


def test_a_person_who_moves_to_another_tenant_loses_what_was_given(identity: Identity) -> None:
    ann, visitor = identity.person(identity.acme), identity.visitor()
    visitor.sign_in(ann["email"])
    early = code_of(visitor, identity.acme)
    token = exchange(identity, identity.acme, code_of(visitor, identity.acme)).json()
    [tenant] = identity.superuser.list("tenants", "slug = {slug}", slug=identity.other.slug)
    identity.superuser.update("users", ann, tenant=tenant["id"])
    assert exchange(identity, identity.acme, early).json()["error"] == "invalid_grant"
    assert userinfo(identity, token["access_token"]).status_code == 401


def test_whoever_is_not_verified_cannot_sign_in(identity: Identity) -> None:
    ann = identity.person(identity.acme, verified=False)
    answer = identity.visitor().try_password(ann["email"])
    assert answer.status_code == 403
    assert "not confirmed yet" in answer.text
    assert "core_session" not in answer.headers.get("set-cookie", "")


def test_without_the_password_nobody_learns_who_is_not_verified(identity: Identity) -> None:
    ann = identity.person(identity.acme, verified=False)
    answer = identity.visitor().try_password(ann["email"], "wrong")
    assert answer.status_code == 401
    assert "not confirmed" not in answer.text
