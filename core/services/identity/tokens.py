"""Tokens for applications, signed with our keys."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from core.services.identity.clients import Client
from core.services.identity.codes import Grant
from core.services.identity.sessions import Person
from core.services.identity.signing_keys import TOKEN_SECONDS, published_keys, signing_key
from core.services.pocketbase import PocketBase
from core.services.settings import settings

ALGORITHM = "RS256"

_ID = "JWT"
_ACCESS = "at+jwt"
_LOGOUT = "logout+jwt"

_LOGOUT_SECONDS = 120
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

Claims = dict[str, Any]


class BadTokenError(Exception):
    """The token is none of ours, or does not count any more."""


async def issue(
    pocketbase: PocketBase, client: Client, grant: Grant, person: Person
) -> dict[str, object]:
    """The answer of the token endpoint."""
    key = await signing_key(pocketbase)
    about_login: Claims = {"auth_time": person.signed_in_at, "sid": person.session}
    if grant.nonce:
        about_login["nonce"] = grant.nonce
    id_token = _signed(
        key,
        _ID,
        about_person(person, grant.scope) | about_login | {"aud": client.id},
        TOKEN_SECONDS,
    )
    access_token = _signed(
        key,
        _ACCESS,
        {
            "aud": settings().public_url,
            "sub": person.id,
            "sid": person.session,
            "client_id": client.id,
            "scope": grant.scope,
        },
        TOKEN_SECONDS,
    )
    return {
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
        "scope": grant.scope,
        "access_token": access_token,
        "id_token": id_token,
    }


def about_person(person: Person, scope: str) -> Claims:
    """Claims about a person, for an application."""
    claims: Claims = {"sub": person.id}
    if "email" in scope.split():
        claims |= {"email": person.email, "email_verified": True}
    if "profile" in scope.split():
        claims |= {"name": person.name, "role": person.role}
    return claims


async def read_access_token(pocketbase: PocketBase, token: str) -> Claims:
    """The claims of an access token of ours.

    Raises:
        BadTokenError: it is none, or too old.
    """
    claims = await _read(pocketbase, token, _ACCESS, audience=settings().public_url)
    if claims["exp"] <= time.time():
        raise BadTokenError("it is too old")
    return claims


async def read_id_token(pocketbase: PocketBase, token: str) -> Claims:
    """The claims of an ID token of ours, however old: it is only a hint now."""
    return await _read(pocketbase, token, _ID)


async def logout_tokens(pocketbase: PocketBase, client: Client, person: Person) -> list[str]:
    """Tokens that tell an application that all sessions of a person ended, best one first.

    All are the same, by different keys: an application may not have asked for the newest yet.
    """
    claims: Claims = {"aud": client.id, "sub": person.id, "events": {_LOGOUT_EVENT: {}}}
    newest = await signing_key(pocketbase)
    older = [key for key in await published_keys(pocketbase) if key.kid != newest.kid]
    return [_signed(key, _LOGOUT, claims, _LOGOUT_SECONDS) for key in (newest, *older)]


def _signed(key: RSAKey, kind: str, claims: Mapping[str, object], seconds: int) -> str:
    now = int(time.time())
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": kind}
    always = {
        "iss": settings().public_url,
        "iat": now,
        "exp": now + seconds,
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode(header, {**claims, **always}, key, [ALGORITHM])


async def _read(
    pocketbase: PocketBase, token: str, kind: str, audience: str | None = None
) -> Claims:
    keys = KeySet([*await published_keys(pocketbase)])
    try:
        read = jwt.decode(token, keys, [ALGORITHM])
    except (JoseError, TypeError, ValueError):  # for odd headers, too
        raise BadTokenError("it is none of ours") from None
    claims = read.claims
    if read.header.get("typ") != kind or claims["iss"] != settings().public_url:
        raise BadTokenError("it is for something else")
    if audience and claims["aud"] != audience:
        raise BadTokenError("it is for somebody else")
    return claims
