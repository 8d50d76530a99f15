"""Identity as the tests have it, and somebody at it with a browser that shows nothing."""

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from core.services.settings import IdentitySecrets, Settings
from tests.core.chat import Chat
from tests.core.processes import AppProcess, PocketBaseProcess
from tests.core.superuser import PASSWORD, Record, Superuser
from tests.e2e.project import free_ports

_FORM_TOKEN = re.compile(r'name="form_token" value="(\w+)"')


@dataclass(frozen=True)
class Identity:
    """A process, with two tenants whose chats run, and a third that can be told of logouts."""

    process: AppProcess
    superuser: Superuser
    acme: Chat
    other: Chat
    far: Chat

    @property
    def url(self) -> str:
        return self.process.url

    @property
    def internal_url(self) -> str:
        return f"http://localhost:{self.process.port}"

    def person(self, chat: Chat, **fields: object) -> Record:
        """Somebody new who belongs to a chat's tenant."""
        [tenant] = self.superuser.list("tenants", "slug = {slug}", slug=chat.slug)
        person = self.superuser.user(tenant, f"p{secrets.token_hex(4)}")
        return self.superuser.update("users", person, **fields) if fields else person

    def visitor(self) -> "Visitor":
        return Visitor(self.url)

    def at(self, chat: Chat, **fields: object) -> "Visitor":
        """Somebody new who has signed in."""
        visitor = self.visitor()
        visitor.sign_in(self.person(chat, **fields)["email"])
        return visitor


class Visitor:
    """A browser."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, url: str, **query: str) -> httpx.Response:
        return self.http.get(url, params=query or None)

    def post(self, url: str, page: str = "/login", **fields: str) -> httpx.Response:
        """Send a form of a page."""
        return self.http.post(url, data={"form_token": form_token(self.get(page)), **fields})

    def try_password(
        self, email: str, password: str = PASSWORD, page: str = "/login"
    ) -> httpx.Response:
        return self.post(page, page, email=email, password=password)

    def sign_in(self, email: str, page: str = "/login") -> httpx.Response:
        """Sign in: where it leads to."""
        answer = self.try_password(email, page=page)
        assert answer.status_code == 303, answer.text
        return answer

    def callback(self, chat: Chat, **more: Any) -> str:
        """Where somebody who has signed in is sent back to."""
        answer = self.get(chat.authorize_url(**more))
        assert answer.headers["location"].startswith(f"{chat.redirect_uri}?code=")
        return str(answer.headers["location"])

    def is_signed_in(self, chat: Chat) -> bool:
        answer = self.get(chat.authorize_url(prompt="none")).headers["location"]
        return "code=" in answer


def form_token(page: httpx.Response) -> str:
    found = _FORM_TOKEN.search(page.text)
    assert found, page.text
    return found[1]


@contextmanager
def running(
    pocketbase: PocketBaseProcess, superuser: Superuser, folder: Path, **changes: object
) -> Iterator[Identity]:
    """Identity with tenants of its own; `changes` are of its settings."""
    mark, (port, *ports) = secrets.token_hex(3), free_ports(4)
    hosts = {"acme": "127.0.0.1", "other": "127.0.0.1", "far": "0.0.0.0"}
    chats = [
        Chat(slug=f"{name}-{mark}", host=host, port=chat_port)
        for (name, host), chat_port in zip(hosts.items(), ports, strict=True)
    ]
    told = {
        "name": "CloudFreedom",
        "public_url": f"http://127.0.0.1:{port}",
        "internal_urls": [f"http://localhost:{port}", f"http://old.localhost:{port}"],
        "pocketbase_url": pocketbase.url,
        "currency": "EUR",
        "session_seconds": 3600,
        "tenants": [chat.tenant for chat in chats],
    }
    process = AppProcess(
        folder=folder,
        port=port,
        factory="core.services.web.app:create",
        settings=Settings.model_validate(told | changes),
        secrets=IdentitySecrets(
            pocketbase_password=pocketbase.password,
            client_secrets={chat.slug: chat.secret for chat in chats},
            storage_key=secrets.token_hex(32),
        ),
    )
    with ExitStack() as stack:
        for chat in chats:
            superuser.tenant(chat.slug)
            chat.provider = f"http://localhost:{port}"
            stack.enter_context(chat)
        stack.enter_context(process)
        yield Identity(process, superuser, *chats)
