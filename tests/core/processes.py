"""The core's processes on this machine: PocketBase, and what runs on uvicorn beside it."""

import os
import secrets
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
from pydantic import BaseModel

from core.services.settings import SUPERUSER
from ops.tools import ROOT
from tests.e2e.project import free_ports

POCKETBASE = ROOT / "core" / "pocketbase"
BINARY = Path(sys.executable).parent / "pocketbase"


@dataclass(kw_only=True)
class Process(ABC):
    """Something that answers HTTP, and whose state outlives it."""

    folder: Path
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
        return f"http://127.0.0.1:{self.port}"

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


@dataclass(kw_only=True)
class PocketBaseProcess(Process):
    """With the core's migrations and hooks, or with those of another folder."""

    source: Path = POCKETBASE
    password: str = field(default_factory=lambda: secrets.token_hex(16))

    def command(self) -> Sequence[str | Path]:
        return [*self._pocketbase("serve"), "--http", f"127.0.0.1:{self.port}"]

    def health(self) -> str:
        return "/api/health"

    def start(self) -> None:
        # At every start, as in its container: it ends all tokens that superusers have.
        command = [*self._pocketbase("superuser"), "upsert", SUPERUSER, self.password]
        subprocess.run(command, check=True, capture_output=True)
        super().start()

    @property
    def _data(self) -> Path:
        return self.folder / "pb_data"

    def _pocketbase(self, command: str) -> list[str | Path]:
        options = {
            "--dir": self._data,
            "--migrationsDir": self.source / "migrations",
            "--hooksDir": self.source / "hooks",
            "--automigrate": "false",
            "--hooksWatch": "false",
        }
        return [BINARY, command, *(f"{name}={value}" for name, value in options.items())]


@dataclass(kw_only=True)
class AppProcess(Process):
    """An app of `core.services`, on uvicorn as in its container."""

    factory: str
    settings: BaseModel
    secrets: BaseModel
    health_path: str = "/health"

    def command(self) -> Sequence[str | Path]:
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-access-log"]
        return [sys.executable, "-m", "uvicorn", "--factory", self.factory, *options]

    def health(self) -> str:
        return self.health_path

    def environment(self) -> Mapping[str, str]:
        files = {"CORE_SETTINGS": self.settings, "CORE_SECRETS": self.secrets}
        paths = {name: self.folder / f"{self.port}-{name}.json" for name in files}
        for name, content in files.items():
            paths[name].write_text(content.model_dump_json(), encoding="utf-8")
        return {name: str(path) for name, path in paths.items()}
