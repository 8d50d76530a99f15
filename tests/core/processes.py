"""The core's processes on this machine: PocketBase, and what runs on uvicorn beside it."""

import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from cli.environment import ROOT
from core.services.settings import SUPERUSER
from tests.process import Process

POCKETBASE = ROOT / "core" / "pocketbase"
BINARY = Path(sys.executable).parent / "pocketbase"


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
    """An app of `core.services`, served as in its container."""

    factory: str
    settings: BaseModel
    secrets: BaseModel
    health_path: str = "/health"

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, "-m", "core.services.serve", self.factory, str(self.port)]

    def health(self) -> str:
        return self.health_path

    def environment(self) -> Mapping[str, str]:
        files = {"CORE_SETTINGS": self.settings, "CORE_SECRETS": self.secrets}
        paths = {name: self.folder / f"{self.port}-{name}.json" for name in files}
        for name, content in files.items():
            paths[name].write_text(content.model_dump_json(), encoding="utf-8")
        return {name: str(path) for name, path in paths.items()}
