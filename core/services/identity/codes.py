"""Codes that an application turns into tokens, once."""

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass

from core.services.identity import sessions
from core.services.identity.clients import Client
from core.services.log import log
from core.services.pocketbase import PocketBase, Record, RefusedError

SECONDS = 60

_COLLECTION = "oidc_codes"
_USED = "oidc_used_codes"


class BadCodeError(Exception):
    """The code does not count."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The login that a code stands for.

    Attributes:
        session: the id of the session that it was given in.
        challenge: SHA-256 of the verifier, in base64url (RFC 7636).
        nonce: empty if the application gave none.
    """

    client: str
    session: str
    redirect_uri: str
    scope: str
    challenge: str
    nonce: str


async def issue(pocketbase: PocketBase, grant: Grant) -> str:
    """A new code."""
    code = secrets.token_urlsafe(32)
    expires_at = int(time.time()) + SECONDS
    record = {**asdict(grant), "code_hash": _hashed(code), "expires_at": expires_at}
    await pocketbase.create(_COLLECTION, record)
    return code


async def redeem(
    pocketbase: PocketBase, client: Client, *, code: str, redirect_uri: str, verifier: str
) -> Grant:
    """The login of a code, which is used up by any try of its client, also by one in vain.

    Raises:
        BadCodeError: it does not count. If it was used before, it was stolen, by the first or by
            the second who used it, and its session ends.
    """
    record = await pocketbase.find_by_key(_COLLECTION, {"code_hash": _hashed(code)})
    if record is None or record["client"] != client.id:
        raise BadCodeError("the code is unknown")
    # First of all, since a second use tells of a theft however late it comes.
    await _use(pocketbase, record)
    if record["expires_at"] <= time.time():
        raise BadCodeError("the code is too old")
    if redirect_uri != record["redirect_uri"]:
        raise BadCodeError("the code was for another redirect_uri")
    if not hmac.compare_digest(_challenge(verifier), record["challenge"].encode()):
        raise BadCodeError("the code_verifier is wrong")
    return Grant(**{name: record[name] for name in Grant.__dataclass_fields__})


async def _use(pocketbase: PocketBase, record: Record) -> None:
    try:
        await pocketbase.create(_USED, {"code": record["id"]})
    except RefusedError as error:
        if error.is_taken:
            log("code_used_twice", client=record["client"])
            await sessions.end_session(pocketbase, record["session"])
        raise BadCodeError("the code was used before, or its session is over") from None


def _challenge(verifier: str) -> bytes:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")


def _hashed(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
