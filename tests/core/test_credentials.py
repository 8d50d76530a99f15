"""A tenant's key and secret are replaced without a moment in which it has none that counts."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from core.services.settings import BillingSecrets, IdentitySecrets
from tests.billing.gateway import CHECK, check
from tests.core.billing import billing, key_of, told
from tests.core.identity import Identity, running
from tests.core.processes import AppProcess, PocketBaseProcess
from tests.core.superuser import Superuser

ACME, OTHER = told("rotated"), told("unrotated")
Ask = Callable[[str], int]


def rotated(process: AppProcess, newest: str, previous: str | None) -> None:
    """Start it again, with keys of another generation."""
    process.stop()
    before = {} if previous is None else {"rotated": previous}
    assert isinstance(process.secrets, BillingSecrets)
    keys = process.secrets.tenant_keys | {"rotated": newest}
    changes = {"tenant_keys": keys, "previous_tenant_keys": before}
    process.secrets = process.secrets.model_copy(update=changes)
    process.start()


@pytest.fixture
def process(pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path: Path) -> AppProcess:
    for tenant in superuser.list("tenants", "slug = 'rotated'"):
        superuser.update("tenants", tenant, newest_key="")
    return billing(tmp_path, pocketbase, ACME, OTHER)


def asked(process: AppProcess, key: str) -> int:
    body = check("rotated", "nobody")
    return httpx.post(process.url + CHECK, json=body, headers={"X-API-Key": key}).status_code


def test_the_key_before_counts_until_the_new_one_comes(
    process: AppProcess, superuser: Superuser
) -> None:
    first, second, third = key_of("rotated"), "second", "third"
    with process:
        while not superuser.list("tenants", "slug = 'rotated'"):
            pass
        rotated(process, second, first)
        assert [asked(process, key) for key in (first, first, third, "")] == [404, 404, 401, 401]
        rotated(process, second, first)  # whatever starts anew
        assert asked(process, first) == 404
        assert [asked(process, key) for key in (second, first, second)] == [404, 401, 404]
        rotated(process, second, first)
        assert [asked(process, key) for key in (first, second)] == [401, 404]

        rotated(process, third, second)
        assert [asked(process, key) for key in (first, second, third, second)] == [
            401,
            404,
            404,
            401,
        ]
        # The other tenant has noticed nothing.
        body = check("unrotated", "nobody")
        headers = {"X-API-Key": key_of("unrotated")}
        assert httpx.post(process.url + CHECK, json=body, headers=headers).status_code == 404


def test_a_key_that_leaked_stops_at_once(process: AppProcess, superuser: Superuser) -> None:
    with process:
        while not superuser.list("tenants", "slug = 'rotated'"):
            pass
        rotated(process, "second", None)
        assert [asked(process, key) for key in (key_of("rotated"), "second")] == [401, 404]


def test_the_login_s_secret_before_counts_until_the_new_one_comes(
    pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path: Path
) -> None:
    with running(pocketbase, superuser, tmp_path) as identity:
        acme, process = identity.acme, identity.process
        assert isinstance(process.secrets, IdentitySecrets)
        newest = process.secrets.client_secrets | {acme.slug: "new"}
        changes = {"client_secrets": newest, "previous_client_secrets": {acme.slug: acme.secret}}
        process.secrets = process.secrets.model_copy(update=changes)
        process.stop()
        process.start()
        errors = [
            token_error(identity, secret, way)
            for secret in (acme.secret, acme.secret, "wrong", "new", acme.secret, "new")
            for way in ("client_secret_basic", "client_secret_post")
        ]
        right, wrong = ["invalid_grant"] * 2, ["invalid_client"] * 2
        assert errors == right + right + wrong + right + wrong + right


def token_error(identity: Identity, secret: str, way: str) -> str:
    """What is said to a code that was never given, as `doctor` asks."""
    chat = identity.acme
    found = chat.configuration()
    assert way in found["token_endpoint_auth_methods_supported"]
    form = {
        "grant_type": "authorization_code",
        "code": "none",
        "redirect_uri": chat.redirect_uri,
        "code_verifier": "x" * 43,
    }
    if way == "client_secret_post":
        form |= {"client_id": chat.slug, "client_secret": secret}
        return str(httpx.post(found["token_endpoint"], data=form).json()["error"])
    answer = httpx.post(found["token_endpoint"], data=form, auth=(chat.slug, secret))
    return str(answer.json()["error"])
