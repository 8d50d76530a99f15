"""Passwords cannot be guessed: few attempts for an account, not many for all together."""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass

from babel.dates import format_timedelta

from core.services.pocketbase import NotFoundError, PocketBase
from core.services.web.language import Texts

ACCOUNT_ATTEMPTS = 5
ACCOUNT_SECONDS = 15 * 60
ALL_ATTEMPTS = 100
ALL_SECONDS = 60

_COLLECTION = "login_attempts"


class TooManyAttemptsError(Exception):
    """No password is looked at, right or wrong.

    Attributes:
        seconds: until it may be tried again.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds

    def in_words(self, t: Texts) -> str:
        """The message for the person."""
        minutes = format_timedelta(self.seconds, threshold=1, locale=t.language)
        return t("login.wait", minutes=minutes)


@dataclass(frozen=True)
class Attempt:
    """A try at a password, which counts as failed until it is forgotten."""

    pocketbase: PocketBase
    account: str

    async def forget(self) -> None:
        """The password was right: what failed before does not count either."""
        of_account = "account_hash = {account}"
        for attempt in await self.pocketbase.list(
            _COLLECTION, of_account, {"account": self.account}
        ):
            await _forget(self.pocketbase, attempt["id"])


async def begin(pocketbase: PocketBase, email: str) -> Attempt:
    """Begin an attempt, whether there is such an account or not.

    It is written down before the password is looked at, so that many at once are no way around.

    Raises:
        TooManyAttemptsError: not now.
    """
    account, now = hashlib.sha256(email.encode()).hexdigest(), int(time.time())
    attempt = await pocketbase.create(_COLLECTION, {"account_hash": account, "at": now})
    wait = max(
        await _wait(pocketbase, ALL_ATTEMPTS, ALL_SECONDS, now),
        await _wait(pocketbase, ACCOUNT_ATTEMPTS, ACCOUNT_SECONDS, now, account),
    )
    if wait:
        # Who only knocks does not keep the person out for ever.
        await _forget(pocketbase, attempt["id"])
        raise TooManyAttemptsError(wait)
    return Attempt(pocketbase, account)


async def _wait(
    pocketbase: PocketBase, most: int, seconds: int, now: int, account: str = ""
) -> int:
    """Seconds until there are no more than `most` attempts in `seconds`, with the newest one."""
    filter_ = f"at > {now - seconds}" + (" && account_hash = {account}" if account else "")
    found = await pocketbase.list(
        _COLLECTION, filter_, {"account": account}, sort="-at", per_page=most + 1
    )
    return max(1, found[most]["at"] + seconds - now) if len(found) > most else 0


async def _forget(pocketbase: PocketBase, attempt: str) -> None:
    with suppress(NotFoundError):
        await pocketbase.delete(_COLLECTION, attempt)
