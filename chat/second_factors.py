"""Second factors are encrypted with a key of their own, which never rotates.

Left to itself, Open WebUI takes the key that signs sessions, and after that one's rotation it does
not start any more.
"""

import base64
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def key_of_session_secret(secret: str) -> Fernet:
    """The key that Open WebUI derives where it is given none."""
    info = b"open-webui/mfa-encryption/v1"
    derivation = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info)
    return Fernet(base64.urlsafe_b64encode(derivation.derive(secret.encode())))


def readable(factor: dict[str, Any], keys: Sequence[Fernet]) -> dict[str, Any]:
    """A second factor that the first key reads.

    Args:
        factor: as Open WebUI stores it.
        keys: that it may be encrypted with, the one to use first.

    Returns:
        The same; or without its secret if no key reads it: the person sets it up anew then.
    """
    secret = factor.get("secret")
    if not secret:
        return factor
    for key in keys:
        try:
            plain = key.decrypt(secret.encode())
        except InvalidToken:
            continue
        return factor if key is keys[0] else factor | {"secret": keys[0].encrypt(plain).decode()}
    return factor | {"secret": None, "last_step": -1, "recovery_hashes": []}
