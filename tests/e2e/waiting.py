"""Waiting for what must happen soon."""

import time
from collections.abc import Callable

from tests.e2e.conftest import Running


def until(happened: Callable[[], object], *, seconds: float = 15) -> None:
    """Wait for something, and fail if it takes longer."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.2)


def until_healthy(running: Running, *parts: str, seconds: float = 120) -> None:
    until(
        lambda: all(running.container(part).health == "healthy" for part in parts),
        seconds=seconds,
    )
