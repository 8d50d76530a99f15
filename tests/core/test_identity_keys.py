"""That keys change without anybody noticing. Days pass by making the records older."""

import time
from collections.abc import Iterator

import httpx
import jwt
import pytest
from joserfc import jwe
from joserfc.jwk import OctKey

from core.services.identity.signing_keys import SIGNING_SECONDS, TOKEN_SECONDS
from core.services.settings import IdentitySecrets
from tests.core.chat import Claims
from tests.core.identity import Identity, Visitor, running
from tests.core.processes import PocketBaseProcess
from tests.core.superuser import Superuser

DAY = 24 * 3600


@pytest.fixture(scope="module")
def identity(
    superuser: Superuser, pocketbase: PocketBaseProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Identity]:
    with running(pocketbase, superuser, tmp_path_factory.mktemp("keys")) as identity:
        yield identity


@pytest.fixture(autouse=True)
def _no_keys_yet(superuser: Superuser) -> Iterator[None]:
    forget_keys(superuser)
    yield
    forget_keys(superuser)


@pytest.fixture
def visitor(identity: Identity) -> Visitor:
    return identity.at(identity.acme)


def forget_keys(superuser: Superuser) -> None:
    for record in superuser.list("oidc_keys"):
        superuser.delete("oidc_keys", record)


def published(identity: Identity) -> list[str]:
    keys = httpx.get(f"{identity.url}/jwks.json").raise_for_status().json()["keys"]
    return [key["kid"] for key in keys]


def pass_seconds(identity: Identity, seconds: int) -> None:
    for record in identity.superuser.list("oidc_keys"):
        identity.superuser.update("oidc_keys", record, begins_at=record["begins_at"] - seconds)


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def log_in(identity: Identity, visitor: Visitor) -> Claims:
    """Tokens of a new login."""
    identity.acme.log_in(visitor.callback(identity.acme))
    return dict(identity.acme.tokens[-1])


def is_taken(identity: Identity, tokens: Claims) -> bool:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return httpx.get(f"{identity.url}/userinfo", headers=headers).is_success


def test_a_key_signs_for_a_month_and_is_known_until_its_last_token_is_over(
    identity: Identity, visitor: Visitor
) -> None:
    old = log_in(identity, visitor)
    assert published(identity) == [kid(old["id_token"])]

    pass_seconds(identity, SIGNING_SECONDS - 60)
    last = log_in(identity, visitor)
    assert kid(last["id_token"]) == kid(old["id_token"])

    pass_seconds(identity, 60)
    new = log_in(identity, visitor)
    assert kid(new["id_token"]) != kid(old["id_token"])
    assert published(identity) == [kid(new["id_token"]), kid(old["id_token"])]
    assert is_taken(identity, old)
    assert is_taken(identity, new)

    pass_seconds(identity, TOKEN_SECONDS + DAY - 60)
    assert kid(old["id_token"]) in published(identity)
    assert is_taken(identity, old)

    pass_seconds(identity, 60)
    assert published(identity) == [kid(new["id_token"])]
    assert not is_taken(identity, old), "its key is rotated out"
    assert is_taken(identity, new)


def test_a_hint_by_a_key_that_is_gone_is_none(identity: Identity, visitor: Visitor) -> None:
    tokens = log_in(identity, visitor)
    pass_seconds(identity, SIGNING_SECONDS + TOKEN_SECONDS + DAY)
    page = visitor.get("/end-session", id_token_hint=tokens["id_token"])
    assert "Sign out?" in page.text


def test_a_token_has_its_time(identity: Identity, visitor: Visitor) -> None:
    tokens = log_in(identity, visitor)
    for name in ("id_token", "access_token"):
        claims = jwt.decode(tokens[name], options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == TOKEN_SECONDS == tokens["expires_in"]


@pytest.mark.parametrize(
    "change",
    [
        {"exp": int(time.time())},
        {"iss": "http://evil.example"},
        {"aud": "acme"},
        {"sub": "somebody"},
        {"sid": "unknown"},
        {"typ": "JWT"},
        {"typ": "logout+jwt"},
        {},
    ],
    ids=str,
)
def test_what_our_own_key_signed_counts_for_what_it_is_alone(
    identity: Identity, visitor: Visitor, change: Claims
) -> None:
    right = log_in(identity, visitor)["access_token"]
    claims = jwt.decode(right, options={"verify_signature": False})
    headers = jwt.get_unverified_header(right)
    for name, value in change.items():
        (headers if name == "typ" else claims)[name] = value
    token = jwt.encode(claims, private_key(identity), "RS256", headers=headers)
    assert is_taken(identity, {"access_token": token}) == (not change)


def private_key(identity: Identity) -> jwt.PyJWK:
    """The only key that identity has."""
    [record] = identity.superuser.list("oidc_keys")
    told = identity.process.secrets
    assert isinstance(told, IdentitySecrets)
    storage_key = OctKey.import_key(bytes.fromhex(told.storage_key))
    plain = jwe.decrypt_compact(record["jwe"], storage_key).plaintext
    assert plain
    return jwt.PyJWK.from_json(plain.decode())


def test_keys_of_another_storage_key_are_passed_over(identity: Identity, visitor: Visitor) -> None:
    old = log_in(identity, visitor)
    identity.process.kill()
    identity.process.secrets = identity.process.secrets.model_copy(
        update={"storage_key": "00" * 32}
    )
    identity.process.start()
    new = log_in(identity, visitor)
    assert published(identity) == [kid(new["id_token"])]
    assert not is_taken(identity, old)
    assert is_taken(identity, new)


def test_a_chat_that_knows_the_old_keys_only_hears_of_a_logout(identity: Identity) -> None:
    visitor = identity.at(identity.far)
    identity.far.log_in(visitor.callback(identity.far))
    identity.far.read_keys()
    pass_seconds(identity, SIGNING_SECONDS)
    assert "could not be told" not in visitor.post("/sign-out-everywhere").text
    assert len(identity.far.logouts) == 1
