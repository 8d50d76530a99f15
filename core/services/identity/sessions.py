"""Sessions: the people who are signed in, each in a browser."""

import hashlib
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from fastapi import Request, Response

from core.services.pocketbase import NotFoundError, PocketBase, Record
from core.services.settings import settings
from core.services.web import cookies

_COLLECTION = "sessions"
_EXPAND = "user.tenant"

# A session that was moved on in the last tenth of its length is not written again.
_FRESH = 0.9

CHOOSING_SECONDS = 600
"""Seconds after a login with a first password in which a person may choose their own."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who is signed in.

    Attributes:
        id: in PocketBase, and as `sub` in tokens.
        email: in small letters.
        role: `admin` or `user` of the tenant.
        tenant: its slug.
        session: the id of the session, `sid` in tokens; it opens nothing.
        signed_in_at: when the password was given, in seconds since 1970.
    """

    id: str
    email: str
    name: str
    role: str
    tenant: str
    session: str
    signed_in_at: int

    @classmethod
    def of(cls, session: Record) -> Self | None:
        """The person of a session, if they still may have it."""
        user = session["expand"]["user"]
        if not user["verified"] or user["must_change_password"]:
            return None
        return cls._of(session, user)

    @classmethod
    def who_must_choose(cls, session: Record) -> Self | None:
        """A person who has just given a password that somebody else chose, and needs their own."""
        user = session["expand"]["user"]
        is_fresh = time.time() - session["signed_in_at"] < CHOOSING_SECONDS
        if not (user["verified"] and user["must_change_password"] and is_fresh):
            return None
        return cls._of(session, user)

    @classmethod
    def _of(cls, session: Record, user: Record) -> Self:
        return cls(
            id=user["id"],
            email=user["email"].lower(),
            name=user["name"],
            role=user["role"],
            tenant=user["expand"]["tenant"]["slug"],
            session=session["id"],
            signed_in_at=session["signed_in_at"],
        )


async def current_person(request: Request) -> Person | None:
    """The person who is signed in at the browser of a request, which keeps the session alive.

    Raises:
        AwayError: PocketBase does not answer.
    """
    session = await _find_here(request)
    if session is None:
        return None
    await _keep_alive(request.app.state.pocketbase, session)
    return Person.of(session)


async def choosing_person(request: Request) -> Person | None:
    """The person who has to choose a password at the browser of a request, before anything else."""
    session = await _find_here(request)
    return Person.who_must_choose(session) if session else None


async def person_of(pocketbase: PocketBase, session: str) -> Person | None:
    """Whose session it is, while it lasts."""
    found = await _find(pocketbase, "id = {value}", session)
    return Person.of(found) if found else None


async def start(request: Request, response: Response, user: str) -> None:
    """Sign a person in, in place of whoever was in this browser."""
    pocketbase: PocketBase = request.app.state.pocketbase
    await _end_here(request)
    token, now = secrets.token_urlsafe(32), int(time.time())
    await pocketbase.create(
        _COLLECTION,
        {
            "token_hash": _hashed(token),
            "user": user,
            "signed_in_at": now,
            "expires_at": now + settings().session_seconds,
        },
    )
    cookies.write(response, cookies.SESSION, token)


async def end(request: Request, response: Response) -> None:
    """Sign out whoever is signed in at this browser."""
    await _end_here(request)
    cookies.remove(response, cookies.SESSION)


async def end_all(pocketbase: PocketBase, person: Person) -> None:
    """End all sessions of a person, in whatever browser."""
    while found := await pocketbase.list(_COLLECTION, "user = {user}", {"user": person.id}):
        for session in found:
            await end_session(pocketbase, session["id"])


async def end_session(pocketbase: PocketBase, session: str) -> None:
    """End a session, if there still is one."""
    with suppress(NotFoundError):
        await pocketbase.delete(_COLLECTION, session)


async def _end_here(request: Request) -> None:
    if token := cookies.read(request, cookies.SESSION):
        pocketbase: PocketBase = request.app.state.pocketbase
        key = {"token_hash": _hashed(token)}
        if session := await pocketbase.find_by_key(_COLLECTION, key):
            await end_session(pocketbase, session["id"])


async def _find_here(request: Request) -> Record | None:
    token = cookies.read(request, cookies.SESSION)
    if not token:
        return None
    return await _find(request.app.state.pocketbase, "token_hash = {value}", _hashed(token))


async def _find(pocketbase: PocketBase, filter_: str, value: str) -> Record | None:
    alive = f"{filter_} && expires_at > {int(time.time())}"
    return await pocketbase.find(_COLLECTION, alive, {"value": value}, expand=_EXPAND)


async def _keep_alive(pocketbase: PocketBase, session: Record) -> None:
    now, seconds = int(time.time()), settings().session_seconds
    if session["expires_at"] < now + seconds * _FRESH:
        with suppress(NotFoundError):  # it may end just now
            await pocketbase.update(_COLLECTION, session["id"], {"expires_at": now + seconds})


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
