"""Logins a second by way of the login page, against PocketBase's own, in turn."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from tests.core.identity import running
from tests.core.processes import PocketBaseProcess
from tests.core.superuser import PASSWORD, Superuser

ROUNDS = 5
LOGINS = 24
AT_ONCE = 8


def logins(folder: Path) -> str:
    """A row of figures; both look at a password, which is most of the work."""
    with (
        PocketBaseProcess(folder=folder / "pocketbase") as pocketbase,
        Superuser(pocketbase.url, pocketbase.password) as superuser,
        running(pocketbase, superuser, folder) as identity,
    ):
        superuser.lift_limits()
        emails = [identity.person(identity.acme)["email"] for _ in range(LOGINS)]

        def log_in(email: str) -> None:
            with identity.visitor() as visitor:
                visitor.sign_in(email)

        def ask_pocketbase(email: str) -> None:
            path = "/api/collections/users/auth-with-password"
            body = {"identity": email, "password": PASSWORD}
            superuser.http.post(path, json=body).raise_for_status()

        ours: list[float] = []
        bare: list[float] = []
        for _ in range(ROUNDS):
            ours.append(a_second(log_in, emails))
            bare.append(a_second(ask_pocketbase, emails))
    ratio = median(our / their for our, their in zip(ours, bare, strict=True))
    return f"logins: {median(ours):.1f}/s, bare PocketBase {median(bare):.1f}/s, ratio {ratio:.2f}"


def a_second(work: Callable[[str], None], emails: list[str]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, emails))
    return len(emails) / (time.perf_counter() - started)
