"""A person at a tenant's chat by way of Open WebUI's API."""

import secrets
from dataclasses import dataclass
from typing import Any, Self

import httpx

from tests.e2e.conftest import Running
from tests.e2e.waiting import until

SECONDS = 60


@dataclass(frozen=True)
class Login:
    name: str
    email: str
    password: str

    @classmethod
    def new(cls, name: str = "Ann Example") -> Self:
        """A login that nobody has yet."""
        mark = secrets.token_hex(4)
        return cls(name, f"person-{mark}@example.com", f"password-{mark}")


def admin(running: Running) -> Login:
    """The first admin, with the login that the tenant exports."""
    outputs = running.deployer.outputs()
    email, password = outputs["openwebui_admin_email"], outputs["openwebui_admin_password"]
    return Login(f"{running.tenant['name']} Admin", email, password)


@dataclass(frozen=True)
class Session:
    """Somebody who has signed in."""

    chat: str
    token: str

    @classmethod
    def sign_in(cls, running: Running, login: Login) -> Self:
        body = {"email": login.email, "password": login.password}
        response = httpx.post(f"{running.chat}/api/v1/auths/signin", json=body, timeout=SECONDS)
        return cls(running.chat, response.raise_for_status().json()["token"])

    @classmethod
    def new(cls, running: Running, login: Login) -> Self:
        """Sign in with a login that the admin makes first."""
        cls.sign_in(running, admin(running)).add(login, role="user")
        return cls.sign_in(running, login)

    def add(self, login: Login, *, role: str) -> None:
        """Make an account, as an admin may."""
        self._post("/api/v1/auths/add", {**vars(login), "role": role})

    def change_password(self, old: str, new: str) -> None:
        """Change one's own."""
        body = {"password": old, "new_password": new}
        self._post("/api/v1/auths/update/password", body)

    def who(self) -> httpx.Response:
        """What the chat says about the session: it refuses one that is over."""
        return self._request("GET", "/api/v1/auths/")

    @property
    def valid(self) -> bool:
        status = self.who().status_code
        assert status in (200, 401), status
        return status == 200

    def sign_out(self) -> None:
        self._post("/api/v1/auths/signout", {})

    def keep(self, text: str) -> None:
        """Put a chat into the history without asking any model."""
        message = {"id": "1", "role": "user", "content": text}
        self._post("/api/v1/chats/new", {"chat": {"title": text, "messages": [message]}})

    def history(self) -> list[dict[str, Any]]:
        """All chats, whole, newest first."""
        listed = self._get("/api/v1/chats/")
        return [self._get(f"/api/v1/chats/{chat['id']}")["chat"] for chat in listed]

    def chat_ids(self) -> list[str]:
        """Of all chats, newest first."""
        return [str(chat["id"]) for chat in self._get("/api/v1/chats/")]

    def delete_chat(self, chat_id: str) -> None:
        """Delete a chat of one's own."""
        self._request("DELETE", f"/api/v1/chats/{chat_id}").raise_for_status()

    def delete_person(self, email: str) -> None:
        """Delete somebody, as an admin may."""
        people = self._get(f"/api/v1/users/?query={email}")["users"]
        [found] = [each["id"] for each in people if each["email"] == email]
        self._request("DELETE", f"/api/v1/users/{found}").raise_for_status()

    def ask(self, model: str, text: str) -> str:
        """The answer to a message."""
        # As the page does first: a chat that has just started may have found no model yet.
        until(lambda: model in [each["id"] for each in self._get("/api/models")["data"]])
        messages = [{"role": "user", "content": text}]
        body = {"model": model, "messages": messages, "stream": False}
        answer = self._post("/api/chat/completions", body)
        return str(answer["choices"][0]["message"]["content"])

    def _get(self, path: str) -> Any:
        return self._request("GET", path).raise_for_status().json()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._request("POST", path, json=body).raise_for_status().json()

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.request(method, f"{self.chat}{path}", headers=headers, timeout=SECONDS, **more)
