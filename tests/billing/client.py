"""What the tests say to the Billing API of `server.py`, and ask it; and its process."""

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from . import server
from .server import Faults, Logged, Requests

# One for all: it takes longer to make than to use.
HTTP = httpx.Client(timeout=60)
EVENTS = TypeAdapter(list[Logged])


@dataclass(frozen=True)
class User:
    base_url: str
    tenant: str
    name: str

    def budget(self, total: str | None) -> None:
        """Make the person known, or change the budget; None is for none at all."""
        body = {"tenant": self.tenant, "user": self.name, "total": total}
        HTTP.put(f"{self.base_url}/_control/users", json=body).raise_for_status()

    def delete(self) -> None:
        path = f"{quote(self.tenant, safe='')}/{quote(self.name, safe='')}"
        HTTP.delete(f"{self.base_url}/_control/users/{path}").raise_for_status()


@dataclass(frozen=True)
class Billing:
    base_url: str

    def user(self, tenant: str, user: str) -> User:
        return User(self.base_url, tenant, user)

    def events(self, tenant: str) -> list[Logged]:
        answer = HTTP.get(f"{self.base_url}/_control/events", params={"tenant": tenant})
        return EVENTS.validate_json(answer.raise_for_status().content)

    def faults(self, **faults: object) -> None:
        body = Faults.model_validate(faults).model_dump()
        HTTP.put(f"{self.base_url}/_control/faults", json=body).raise_for_status()

    def requests(self) -> Requests:
        answer = HTTP.get(f"{self.base_url}/_control/requests").raise_for_status()
        return Requests.model_validate_json(answer.content)

    def reset(self) -> None:
        HTTP.delete(f"{self.base_url}/_control").raise_for_status()


@dataclass
class BillingProcess:
    """The server as a process of this machine; what it has logged outlives it."""

    port: int
    database: Path
    key: str
    host: str = "127.0.0.1"
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def billing(self) -> Billing:
        return Billing(self.base_url)

    def start(self) -> None:
        assert self._process is None, "it is started already"
        command = [sys.executable, server.__file__, "--host", self.host, "--port", str(self.port)]
        command += ["--database", str(self.database), "--key", self.key]
        self._process = subprocess.Popen(command)
        try:
            self._wait_until_healthy(self._process)
        except BaseException:
            self.kill()
            raise

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert process.poll() is None, "the Billing API ended at once"
            with suppress(httpx.TransportError):
                HTTP.get(f"{self.base_url}/health").raise_for_status()
                return
            time.sleep(0.05)
        raise AssertionError("the Billing API did not start")

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
