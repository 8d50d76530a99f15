"""Reads the logs of several containers as one."""

import queue
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from heapq import merge
from threading import Thread

from docker.errors import NotFound
from docker.models.containers import Container

from backup.sets import STACK
from cli.container_files import read_files
from cli.logs.line import Line, Mask, parse
from cli.running import RunningStack
from components.spec import SECRET_BYTES, SECRETS

_GENERATED = re.compile(f"[0-9a-f]{{{2 * SECRET_BYTES}}}")


def mask_of(containers: Iterable[Container]) -> Mask:
    """Hides the secrets that any of these containers was handed."""
    return Mask(text for container in containers for text in _secret_texts(container))


def _secret_texts(container: Container) -> Iterator[str]:
    try:
        files = read_files(container, SECRETS)
    except NotFound:
        return
    for path, content in files.items():
        text = content.decode(errors="replace")
        # This one has the tenant's file, too, whose words are no secrets.
        yield " ".join(_GENERATED.findall(text)) if path.endswith(STACK) else text


def read(
    stack: RunningStack, services: Collection[str], *, since: datetime | None = None, tail: int = 0
) -> Iterator[Line]:
    """All lines that are there, by time.

    Args:
        stack: whose services they are.
        services: by name.
        since: no older ones.
        tail: number of the last lines of each; 0 is all.
    """
    lines = [
        [parse(service, line) for line in _text(stack.containers[service], since, tail)]
        for service in services
    ]
    yield from merge(*lines, key=lambda line: line.time)


def follow(
    stack: RunningStack, services: Collection[str], *, since: datetime | None = None, tail: int = 0
) -> Iterator[Line]:
    """The last lines, and then each as it is written, for as long as any of the services runs.

    Args:
        stack: whose services they are.
        services: by name.
        since: no older ones.
        tail: number of the last lines of each; 0 is all.
    """
    lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()

    def send(service: str, written: Iterable[str]) -> None:
        for line in written:
            lines.put(parse(service, line))
        lines.put(None)

    with ExitStack() as following:
        for service in services:
            log = stack.follow_log(stack.containers[service], since=since, tail=tail)
            written = following.enter_context(log)
            Thread(target=send, args=(service, written), daemon=True).start()
        for _ in services:
            while (line := lines.get()) is not None:
                yield line


def _text(container: Container, since: datetime | None, tail: int) -> list[str]:
    printed: bytes = container.logs(timestamps=True, since=since, tail=tail or "all")
    return printed.decode(errors="replace").splitlines()
