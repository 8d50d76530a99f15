"""Work that may not run where a test runs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def apart(work: Callable[[], None]) -> None:
    """Do it in a thread of its own: Playwright's loop runs in this one, and an export has one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
