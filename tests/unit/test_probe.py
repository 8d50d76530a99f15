"""What is asked inside a container tells a right secret from a wrong one, and prints neither."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlsplit

import pytest

from cli.doctor import probe

SECRET = "a+secret with/100 %"


@dataclass
class Provider:
    """An OpenID provider and Billing API that knows one client and one key."""

    url: str = ""
    methods: list[str] = field(default_factory=lambda: ["client_secret_basic"])
    status: int = 200

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str]]:
        if "client_secret_basic" in self.methods:
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
            given = [unquote_plus(part) for part in pair]
        else:
            given = [form["client_id"], form["client_secret"]]
        if given != ["acme", SECRET]:
            return 401, {"error": "invalid_client"}
        assert {"code", "redirect_uri", "code_verifier"} <= set(form)
        return 400, {"error": "invalid_grant"}


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    known = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            endpoints = {"authorization_endpoint": f"{known.url}/authorize?a=b",
                         "token_endpoint": f"{known.url}/token"}  # fmt: skip
            body = {**endpoints, "token_endpoint_auth_methods_supported": known.methods}
            self.say(known.status, body if known.status == 200 else {})

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.path == "/token":
                self.say(*known.token(dict(parse_qsl(text)), self.headers["Authorization"] or ""))
            elif self.headers["X-API-Key"] == SECRET:
                assert json.loads(text)["user_id"] == "api@acme"
                self.say(known.status, {"allowed": False} if known.status != 500 else {})
            else:
                self.say(401, {})

        def say(self, status: int, body: object) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(probe, "_SECRETS", tmp_path)
    for name in ("OAUTH_CLIENT_SECRET", "BILLING_API_KEY"):
        (tmp_path / name).write_text(f"{SECRET}\n", encoding="utf-8")
    monkeypatch.setenv("OPENID_PROVIDER_URL", f"{known.url}/.well-known/openid-configuration")
    monkeypatch.setenv("OPENID_REDIRECT_URI", "http://chat/oauth/oidc/callback")
    monkeypatch.setenv("OAUTH_CLIENT_ID", "acme")
    yield known
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"]])
def test_a_right_secret_and_a_wrong_one(
    provider: Provider, tmp_path: Path, methods: list[str]
) -> None:
    provider.methods = methods
    found = probe.login()
    assert found["problem"] == ""
    asked = parse_qs(urlsplit(str(found["authorize"])).query)
    assert asked["redirect_uri"] == ["http://chat/oauth/oidc/callback"]
    assert asked["a"] == ["b"]
    assert len(asked["code_challenge"][0]) == 43
    (tmp_path / "OAUTH_CLIENT_SECRET").write_text("another", encoding="utf-8")
    assert probe.login()["problem"] == "refuses the client 'acme' or its secret"


def test_a_provider_that_is_none(provider: Provider) -> None:
    provider.status = 503
    assert probe.login() == {"problem": "answered 503: {}"}


@pytest.mark.parametrize(("status", "problem"), [
    (200, ""), (404, ""), (500, "answered 500: {}"), (422, ""),
])  # fmt: skip
def test_the_billing_api_answers_with_a_budget(
    provider: Provider, status: int, problem: str
) -> None:
    provider.status = status
    found = str(probe.billing(f"{provider.url}/check", "acme", "api@acme")["problem"])
    assert found == problem if status != 422 else found.startswith("answered 422: ")


def test_the_billing_api_refuses_another_key(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "BILLING_API_KEY").write_text("another", encoding="utf-8")
    found = probe.billing(f"{provider.url}/check", "acme", "api@acme")
    assert found == {"problem": "refuses the tenant's key (401)"}


def test_how_full_a_disk_is(tmp_path: Path) -> None:
    found = probe.disk(str(tmp_path))
    assert 0 <= int(str(found["used_percent"])) <= 100
    assert int(str(found["free"])) > 0
