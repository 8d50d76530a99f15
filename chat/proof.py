"""Proves a copy of a chat: somebody logs in and reads an old chat: `python3 -m chat.proof`.

The person is the owner of the newest chat. Nobody else knows their password, so they get another
one in the copy; in a chat that is not a copy it refuses to run.
"""

import os
import secrets
import sys
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import httpx
import psycopg

_CHAT = "http://127.0.0.1:8080"
_SECONDS = 60

_OWNER = """
    SELECT auth.id, auth.email, chat.id FROM auth LEFT JOIN chat ON chat.user_id = auth.id
    ORDER BY chat.updated_at DESC NULLS LAST LIMIT 1
"""
_SET_PASSWORD = "UPDATE auth SET password = %s, active = true, mfa = NULL WHERE id = %s"  # noqa: S105


def main() -> None:
    """Log in, and read an old chat."""
    if os.environ.get("CLOUDFREEDOM_COPY") != "true":
        sys.exit("This changes a password, and so runs in a copy alone")
    password = secrets.token_hex(16)
    url = os.environ["DATABASE_URL"].replace("postgresql+psycopg:", "postgresql:", 1)
    with psycopg.connect(url) as database:
        found = database.execute(_OWNER).fetchone()
        if not found:
            sys.exit("There is no account that could log in")
        person, email, chat = found
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()
        database.execute(_SET_PASSWORD, (hashed, person))
    headers = {"Host": urlsplit(os.environ["WEBUI_URL"]).netloc}
    with httpx.Client(base_url=_CHAT, headers=headers, timeout=_SECONDS) as client:
        login = {"email": email, "password": password}
        token = _answer(client.post("/api/v1/auths/signin", json=login))["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        if not chat:
            print("Somebody logs in. There is no chat that could be read.")
            return
        read = _answer(client.get(f"/api/v1/chats/{chat}"))
    if not read.get("chat"):
        sys.exit("The newest chat is empty")
    print("The owner of the newest chat logs in and reads it.")


def _answer(response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        sys.exit(f"{response.url.path} answers {response.status_code}: {response.text[:200]}")
    answer: dict[str, Any] = response.json()
    return answer


if __name__ == "__main__":
    main()
