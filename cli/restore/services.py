"""Services that stop, start, and are ready."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from docker.models.containers import Container

from schema.errors import UserError

_READY_SECONDS = 300


def stop(containers: Iterable[Container]) -> None:
    """Stop the containers of some services, all at once."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda container: container.stop(), containers))


def start(containers: Mapping[str, Container]) -> None:
    """Start the containers of some services; returns when all are ready.

    Raises:
        UserError: one is not ready in time.
    """
    waiting = dict(containers)
    for container in waiting.values():
        container.start()
    deadline = time.monotonic() + _READY_SECONDS
    while waiting:
        for service, container in list(waiting.items()):
            container.reload()
            if container.attrs["State"].get("Health", {}).get("Status") == "healthy":
                del waiting[service]
        if waiting and time.monotonic() > deadline:
            raise UserError(f"not ready within {_READY_SECONDS} s: {', '.join(waiting)}")
        time.sleep(0.5)
