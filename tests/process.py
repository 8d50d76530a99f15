"""A process of this machine that tests start, kill and start again."""

import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from cli.environment import ROOT
from tests.e2e.project import free_ports


@dataclass(kw_only=True)
class Process(ABC):
    """Something that answers HTTP, and whose state outlives it."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = field(default_factory=lambda: free_ports(1)[0])
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @abstractmethod
    def command(self) -> Sequence[str | Path]: ...

    @abstractmethod
    def health(self) -> str:
        """A path that answers 200 as soon as the process can be used."""

    def environment(self) -> Mapping[str, str]:
        return {}

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.port}.log"

    @property
    def pid(self) -> int:
        assert self._process, "it is not started"
        return self._process.pid

    def start(self) -> None:
        assert self._process is None, "it is started already"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **self.environment()}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait_until_healthy(self._process)
        except BaseException:
            self.kill()
            raise

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert process.poll() is None, self.log.read_text()
            with suppress(httpx.TransportError):
                if httpx.get(self.url + self.health()).is_success:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        """As a crash does: without a word to anybody."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
