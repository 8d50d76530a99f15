"""Reads the logs of several containers as one."""

import queue
import re
from collections.abc import Iterator, Mapping
from heapq import merge
from threading import Thread
from typing import Any

from docker.errors import NotFound
from docker.models.containers import Container

from backup.sets import STACK
from cli.container_files import read_files
from cli.logs.line import Line, Mask, parse
from components.spec import SECRET_BYTES, SECRETS

_GENERATED = re.compile(f"[0-9a-f]{{{2 * SECRET_BYTES}}}")


def mask_of(containers: Mapping[str, Container]) -> Mask:
    """Hides the secrets that any of these containers was handed."""
    return Mask(text for container in containers.values() for text in _secret_texts(container))


def _secret_texts(container: Container) -> Iterator[str]:
    try:
        files = read_files(container, SECRETS)
    except NotFound:
        return
    for path, content in files.items():
        text = content.decode(errors="replace")
        # This one has the tenant's file, too, whose words are no secrets.
        yield " ".join(_GENERATED.findall(text)) if path.endswith(STACK) else text


def read(containers: Mapping[str, Container], **options: Any) -> Iterator[Line]:
    """All lines that are there, by time.

    Args:
        containers: by service.
        options: `since` and `tail`, as docker-py has them.
    """
    lines = [
        [parse(service, line) for line in _text(container, **options).splitlines()]
        for service, container in containers.items()
    ]
    yield from merge(*lines, key=lambda line: line.time)


def follow(containers: Mapping[str, Container], **options: Any) -> Iterator[Line]:
    """All lines, and then each as it is written, for as long as any of the containers runs.

    Args:
        containers: by service.
        options: `since` and `tail`, as docker-py has them.
    """
    lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()

    def send(service: str, container: Container) -> None:
        rest = b""
        for part in container.logs(timestamps=True, stream=True, follow=True, **options):
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                lines.put(parse(service, line.decode(errors="replace")))
        lines.put(None)

    for each in containers.items():
        Thread(target=send, args=each, daemon=True).start()
    for _ in containers:
        while (line := lines.get()) is not None:
            yield line


def _text(container: Container, **options: Any) -> str:
    printed: bytes = container.logs(timestamps=True, **options)
    return printed.decode(errors="replace")
