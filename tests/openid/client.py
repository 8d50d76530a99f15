"""The provider of `server.py` as a process, and the people that it knows."""

import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from joserfc.jwk import RSAKey

from tests.process import Process

from . import server
from .server import Account, Settings


def account(name: str, *groups: str, email: str = "", verified: bool | None = None) -> Account:
    """Somebody, such as Ann Example, with a password of their own."""
    user_name = name.partition(" ")[0].lower()
    return Account(
        user_name=user_name,
        name=name,
        email=email or f"{user_name}@example.com",
        password=secrets.token_urlsafe(),
        groups=list(groups),
        verified=verified,
    )


@dataclass(kw_only=True)
class OpenIDProcess(Process):
    """Started again it signs with the same key."""

    client_id: str
    client_secret: str
    chat: str
    people: list[Account]
    _signing_key: dict[str, str | list[str]] = field(
        default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)
    )

    @property
    def settings(self) -> Settings:
        return Settings(
            host=self.host,
            port=self.port,
            signing_key=self._signing_key,
            client_id=self.client_id,
            client_secret=self.client_secret,
            chat=self.chat,
            people=self.people,
        )

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, server.__file__, self.settings.model_dump_json()]

    def environment(self) -> Mapping[str, str]:
        return {"AUTHLIB_INSECURE_TRANSPORT": "1"}  # else it is https or nothing

    def health(self) -> str:
        return "/.well-known/openid-configuration"

    @contextmanager
    def changed(self, **changes: object) -> Iterator[None]:
        """Something that it knows is something else for a while."""
        self._tell(self.settings.model_copy(update=changes))
        try:
            yield
        finally:
            self._tell(self.settings)

    def _tell(self, settings: Settings) -> None:
        body = settings.model_dump_json()
        httpx.put(f"{self.url}/_control", content=body, timeout=60).raise_for_status()

    @contextmanager
    def away(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()
