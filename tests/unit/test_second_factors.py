"""Second factors are read after every rotation."""

from base64 import urlsafe_b64encode
from typing import Any

from cryptography.fernet import Fernet

from chat.second_factors import key_of_session_secret, readable

OWN, OLD = Fernet(Fernet.generate_key()), key_of_session_secret("a session secret")


def factor(key: Fernet) -> dict[str, Any]:
    secret = key.encrypt(b"JBSWY3DPEHPK3PXP").decode()
    return {"secret": secret, "last_step": 7, "recovery_hashes": ["hash"], "revision": "one"}


def test_one_under_the_own_key_stays() -> None:
    stored = factor(OWN)
    assert readable(stored, [OWN, OLD]) == stored


def test_one_under_the_session_secret_goes_under_the_own_key() -> None:
    stored = factor(OLD)
    kept = readable(stored, [OWN, OLD])
    assert OWN.decrypt(kept["secret"].encode()) == b"JBSWY3DPEHPK3PXP"
    assert kept | {"secret": ""} == stored | {"secret": ""}


def test_one_that_nobody_reads_is_set_up_anew() -> None:
    kept = readable(factor(Fernet(urlsafe_b64encode(bytes(32)))), [OWN, OLD])
    assert kept == {"secret": None, "last_step": -1, "recovery_hashes": [], "revision": "one"}


def test_one_that_was_never_finished_stays() -> None:
    stored: dict[str, Any] = {"secret": None, "recovery_hashes": []}
    assert readable(stored, [OWN]) == stored
