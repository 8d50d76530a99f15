"""The provider of `bare.py` as a process, and a login at a chat by way of it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx

from tests.process import Process

from . import bare
from .bare import Settings


@dataclass(kw_only=True)
class BareProcess(Process):
    """A provider that lets in whoever it is told to."""

    client_id: str
    client_secret: str
    settings: dict[str, Any] = field(default_factory=dict)

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, bare.__file__, self._settings().model_dump_json()]

    def health(self) -> str:
        return "/.well-known/openid-configuration"

    def _settings(self) -> Settings:
        client = {"client_id": self.client_id, "client_secret": self.client_secret}
        return Settings(host=self.host, port=self.port, **client | self.settings)

    def says(self, *, later: dict[str, Any] | None = None, **claims: Any) -> None:
        """Whoever comes next is somebody of whom it says this."""
        self.tell(claims=claims, later=later or {})

    def tell(self, **settings: Any) -> None:
        self.settings |= settings
        body = self._settings().model_dump_json()
        httpx.put(f"{self.url}/_control", content=body, timeout=60).raise_for_status()

    def log_in(self, chat: str) -> str:
        """The token of a login at a chat; what the chat says where there is none.

        Raises:
            RefusedError: the chat lets nobody in.
        """
        with httpx.Client(follow_redirects=True, timeout=60) as browser:
            answer = browser.get(f"{chat}/oauth/oidc/login")
            error = parse_qs(answer.url.query.decode()).get("error")
            token = browser.cookies.get("token")
        if token is None or error:
            raise RefusedError((error or [f"{answer.status_code} {answer.url}"])[0])
        return token


class RefusedError(Exception):
    """A chat lets somebody not in; its text is the chat's."""
