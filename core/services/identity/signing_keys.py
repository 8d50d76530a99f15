"""The keys that tokens are signed with.

They are in PocketBase, encrypted. A key signs for 30 days; then it is published until nothing that
it signed counts any more, and a day longer.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from functools import lru_cache

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, RSAKey

from core.services.log import log
from core.services.pocketbase import PocketBase
from core.services.settings import identity_secrets

SIGNING_SECONDS = 30 * 24 * 3600
TOKEN_SECONDS = 24 * 3600
"""Seconds that a token lasts: Open WebUI forgets how to sign out when it ends."""

_SPARE_SECONDS = 24 * 3600
_PUBLISHED_SECONDS = SIGNING_SECONDS + TOKEN_SECONDS + _SPARE_SECONDS

_COLLECTION = "oidc_keys"
_BITS = 2048
_ENCRYPTION = {"alg": "dir", "enc": "A256GCM"}


async def signing_key(pocketbase: PocketBase) -> RSAKey:
    """The key to sign with; a new one, if none is young enough."""
    now = int(time.time())
    young = await _keys(pocketbase, since=now - SIGNING_SECONDS)
    if young:
        return young[0]
    key = await asyncio.to_thread(RSAKey.generate_key, _BITS, {"use": "sig", "alg": "RS256"})
    key.ensure_kid()
    record = {"kid": key.kid, "jwe": _encrypted(key), "begins_at": now}
    await pocketbase.create(_COLLECTION, record)
    return key


async def published_keys(pocketbase: PocketBase) -> Sequence[RSAKey]:
    """The keys whose signatures count, the newest first."""
    return await _keys(pocketbase, since=int(time.time()) - _PUBLISHED_SECONDS)


async def _keys(pocketbase: PocketBase, *, since: int) -> list[RSAKey]:
    records = await pocketbase.list(_COLLECTION, f"begins_at > {since}", sort="-begins_at,kid")
    keys = [_decrypted(record["jwe"], identity_secrets().storage_key) for record in records]
    return [key for key in keys if key]


def _encrypted(key: RSAKey) -> str:
    return jwe.encrypt_compact(
        _ENCRYPTION,
        json.dumps(key.as_dict(private=True)),
        _storage_key(identity_secrets().storage_key),
    )


@lru_cache(maxsize=32)
def _decrypted(text: str, storage_key: str) -> RSAKey | None:
    try:
        plain = jwe.decrypt_compact(text, _storage_key(storage_key)).plaintext
    except JoseError:
        # The storage key is another one now: what the old keys signed does not count any more.
        log("unreadable_signing_key")
        return None
    return RSAKey.import_key(json.loads(plain or b""))


def _storage_key(storage_key: str) -> OctKey:
    return OctKey.import_key(bytes.fromhex(storage_key))
