"""What the chat's own code decides, without Open WebUI around it."""

import asyncio
import json
import logging
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException

from chat import accounts, routes, settings
from chat.accounts import Step, VerifiedLogin, decide
from chat.config import ChatConfig
from chat.connections import with_gateway
from chat.headers import Headers
from chat.log import Masked, masked
from chat.names import Names
from chat.outbound import Outbound
from chat.uploads import Uploads, uploader
from cli.environment import ROOT

URL = "https://chat.example.com"
NAMES = ["chat.example.com", "192.0.2.7:3000", "[::1]:3000"]


def config(**more: Any) -> ChatConfig:
    return ChatConfig(url=URL, names=tuple(NAMES), destinations=(), **more)


# --- Names


def answered(app: Any, **request: Any) -> tuple[int, dict[str, str], str]:
    """Status, headers and body that an application answers a request with."""
    headers = request.pop("headers", {})
    body = request.pop("body", b"")
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    } | request
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    if sent[0]["type"] == "websocket.close":
        return sent[0]["code"], {}, ""
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(m.get("body", b"") for m in sent[1:]).decode()


async def page(scope: Any, receive: Any, send: Any) -> None:
    """The chat, which sets a cookie."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    if scope["method"] == "POST":
        await receive()
    headers = [(b"set-cookie", b"token=1; Path=/")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"chat"})


CHAT = Names(page, url=URL, names=NAMES)


@pytest.mark.parametrize("host", [
    "chat.example.com", "CHAT.example.com", "chat.example.com:443", "chat.example.com:80",
    "192.0.2.7:3000", "[::1]:3000",
])  # fmt: skip
def test_the_chat_answers_under_each_of_its_names(host: str) -> None:
    assert answered(CHAT, headers={"host": host})[0] == 200


@pytest.mark.parametrize("host", [
    "", "chat.example.com:3000", "192.0.2.7", "192.0.2.7:3001", "evil.example", "::1:3000", "[::1]",
    "chat.example.com.evil.example", "xchat.example.com", "127.0.0.1:8080",
])  # fmt: skip
def test_under_any_other_name_it_says_where_it_is(host: str) -> None:
    status, headers, body = answered(CHAT, headers={"host": host, "accept": "text/html,*/*"})
    assert (status, headers["content-type"]) == (421, "text/html; charset=utf-8")
    assert f'<a href="{URL}">' in body
    status, headers, body = answered(CHAT, headers={"host": host})
    assert status == 421
    assert URL in json.loads(body)["detail"]


def test_a_name_in_the_page_is_text() -> None:
    body = answered(CHAT, headers={"host": "<script>", "accept": "text/html"})[2]
    assert "<script>" not in body


def test_its_health_is_asked_under_no_name() -> None:
    assert answered(CHAT, path="/ready")[0] == 200


@pytest.mark.parametrize(("origin", "status"), [
    ("https://chat.example.com", 200), ("http://192.0.2.7:3000", 200), ("", 200),
    ("https://evil.example", 403), ("null", 403), ("https://chat.example.com.evil.example", 403),
    ("ftp://chat.example.com", 403),
])  # fmt: skip
def test_another_site_s_page_cannot_act_in_a_person_s_name(origin: str, status: int) -> None:
    headers = {"host": NAMES[0]} | ({"origin": origin} if origin else {})
    assert answered(CHAT, method="POST", headers=headers)[0] == status
    closed = answered(CHAT, type="websocket", headers=headers)[0]
    assert closed == (1000 if status == 200 else 1008)


def test_a_login_begins_where_it_returns_to() -> None:
    login = {"path": "/oauth/oidc/login", "query_string": b"a=b"}
    status, headers, _ = answered(CHAT, headers={"host": NAMES[1]}, **login)
    assert (status, headers["location"]) == (307, f"{URL}/oauth/oidc/login?a=b")
    assert answered(CHAT, headers={"host": NAMES[0]}, **login)[0] == 200


# --- Headers and log


@pytest.mark.parametrize(("url", "scheme", "host", "secure"), [
    ("http://chat.example.com", "http", NAMES[0], False),
    ("http://chat.example.com", "https", NAMES[0], True),
    (URL, "http", NAMES[0], True),
    (URL, "http", "Chat.example.com:443", True),
    # A browser would not keep such a cookie there, and nobody could log in.
    (URL, "http", NAMES[1], False),
    (URL, "https", NAMES[1], True),
])  # fmt: skip
def test_every_answer_says_what_a_browser_may_do_with_it(
    url: str, scheme: str, host: str, secure: bool
) -> None:
    _, headers, _ = answered(Headers(page, url=url), scheme=scheme, headers={"host": host})
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert ("; Secure" in headers["set-cookie"]) == secure


@pytest.mark.parametrize(("line", "logged"), [
    ("/oauth/oidc/callback?code=ab&state=cd", "/oauth/oidc/callback?code=***&state=***"),
    ("/x?token=a.b-c", "/x?token=***"),
    ("/x?id_token_hint=a&page=2", "/x?id_token_hint=***&page=2"),
    ("/api/v1/code/format?decode=1", "/api/v1/code/format?decode=1"),
])  # fmt: skip
def test_no_code_and_no_token_is_in_the_access_log(line: str, logged: str) -> None:
    assert masked(line) == logged
    record = logging.LogRecord("a", 20, "", 0, '"%s %s" %d', ("GET", line, 200), None)
    assert Masked().filter(record)
    assert record.getMessage() == f'"GET {logged}" 200'


# --- Outbound


def listening(host: str = "127.0.0.1") -> tuple[socket.socket, int]:
    server = socket.create_server((host, 0))
    return server, server.getsockname()[1]


def test_a_process_connects_where_it_may_and_nowhere_else() -> None:
    """In a process of its own: a hook of the interpreter stays for ever."""
    (allowed, port), (other, closed) = listening(), listening()
    script = f"""
import asyncio, http.client, socket, urllib.request, sys
sys.path.insert(0, {str(ROOT)!r})
from chat.outbound import Outbound
Outbound([("localhost", {port})]).install()

def attempt(what):
    try:
        what()
    except OSError as error:
        return type(error).__name__
    return "connected"

def by_asyncio(host, port):
    async def connect():
        await asyncio.open_connection(host, port)
    asyncio.run(connect())

def send():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {closed}))

for connect in (
    lambda host, port: socket.create_connection((host, port)),
    lambda host, port: http.client.HTTPConnection(host, port).connect(),
    by_asyncio,
):
    print(attempt(lambda: connect("localhost", {port})))
    print(attempt(lambda: connect("127.0.0.1", {port})))
    print(attempt(lambda: connect("127.0.0.1", {closed})))
    print(attempt(lambda: connect("evil.example", 80)))
    print(attempt(lambda: connect("169.254.169.254", 80)))
print(attempt(send))
print(attempt(lambda: socket.gethostbyname("evil.example")))
"""
    with allowed, other:
        run = subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True
        )
    refused = "PermissionError"
    way = ["connected", "connected", refused, refused, refused]
    assert run.stdout.split() == [*way * 3, refused, refused]


def test_a_place_can_be_added_by_the_login_alone() -> None:
    outbound = Outbound([("redis", 6379)])
    with pytest.raises(PermissionError, match=r"may not connect to 192\.0\.2\.1:443"):
        outbound.hook("socket.connect", (None, ("192.0.2.1", 443)))
    outbound.allow("192.0.2.1", 443)
    outbound.hook("socket.connect", (None, ("192.0.2.1", 443)))
    outbound.hook("socket.connect", (None, ("::ffff:192.0.2.1", 443, 0, 0)))
    with pytest.raises(PermissionError):
        outbound.hook("socket.connect", (None, ("192.0.2.1", 80)))
    outbound.hook("socket.connect", (None, "/run/some.sock"))
    outbound.hook("open", ("/etc/passwd", "r", 0))


# --- Settings


FILES = {
    "ui.enable_signup": False,
    "openai.api_base_urls": ["http://litellm:4000/v1"],
    "openai.api_keys": ["sk-1"],
    "tool_server.connections": [],
    "audio.stt.openai.api_base_url": "",
    "image_generation.openai.api_base_url": "",
    "web.search.searxng_query_url": "",
    "rag.tika_server_url": "",
    "direct.enable": False,
    "ldap.server.host": "localhost",
    "oauth.provider_url": "",
    "webhook_url": "",
    "webui.url": URL,
    "auth.jwt_expiry": "43200s",
    "code_execution.jupyter.url": "",
    "a_setting.of.a_new_version": 1,
}
ADMINS = ["ui.banners", "user.permissions", "ui.prompt_suggestions", "task.title.enable"]


class Table:
    """Open WebUI's table of settings, as far as it matters."""

    DEFAULTS = FILES | dict.fromkeys(ADMINS)
    stored: dict[str, Any]

    @classmethod
    def default_value(cls, key: str, default: Any = None) -> Any:
        return cls.DEFAULTS.get(key, default)

    @classmethod
    async def upsert(cls, updates: dict[str, Any]) -> None:
        cls.stored.update(updates)

    @classmethod
    async def get_all(cls) -> dict[str, Any]:
        return cls.stored

    @staticmethod
    def persistent_enabled_for(key: str) -> bool:
        raise NotImplementedError(key)


def table(**more: Any) -> type[Table]:
    new = type("New", (Table,), {"stored": {}})
    settings.install(new, config(**more))
    return new


@pytest.mark.parametrize("key", FILES)
def test_a_setting_of_the_file_is_refused_with_words(key: str) -> None:
    kept = table()
    assert not kept.persistent_enabled_for(key)
    with pytest.raises(HTTPException, match="tenant's file") as refused:
        asyncio.run(kept.upsert({"ui.banners": ["hello"], key: "changed"}))
    assert refused.value.status_code == 403
    assert key in refused.value.detail
    assert kept.stored == {}, "a form is refused whole"


def test_a_form_that_brings_the_files_settings_unchanged_is_saved() -> None:
    kept = table()
    asyncio.run(kept.upsert({**FILES, "ui.banners": ["hello"]}))
    assert kept.stored == {"ui.banners": ["hello"]}


@pytest.mark.parametrize("key", ADMINS)
def test_what_an_admin_sets_is_kept(key: str) -> None:
    kept = table()
    assert kept.persistent_enabled_for(key)
    asyncio.run(kept.upsert({key: "changed"}))
    assert kept.stored == {key: "changed"}


def test_a_value_that_was_stored_once_does_not_count_against_the_file() -> None:
    kept = table()
    kept.stored.update({"ui.enable_signup": True, "ui.banners": ["hello"]})
    found = asyncio.run(kept.get_all())
    assert found["ui.enable_signup"] is False
    assert found["ui.banners"] == ["hello"]


@pytest.mark.parametrize(("key", "plugins", "connections"), [
    ("openai.api_base_urls", False, True), ("web.search.searxng_query_url", False, True),
    ("tool_server.connections", True, False), ("ui.enable_signup", False, False),
    ("oauth.provider_url", False, False), ("ldap.server.host", False, False),
])  # fmt: skip
def test_the_file_opens_settings(key: str, plugins: bool, connections: bool) -> None:
    assert settings.is_admins(key, config(plugins=True)) == plugins
    assert settings.is_admins(key, config(connections=True)) == connections


def test_the_gateway_stays_among_the_connections_with_its_present_key() -> None:
    urls, keys = ["http://litellm:4000/v1", "https://other.example"], ["sk-old", "sk-other"]
    kept = with_gateway(urls, keys, "http://litellm:4000/v1", "sk-new")
    assert kept == (urls, ["sk-new", "sk-other"])
    assert with_gateway([], [], "http://litellm:4000/v1", "sk-new")[1] == ["sk-new"]


# --- Routes


def route(path: str, *methods: str) -> SimpleNamespace:
    return SimpleNamespace(path=path, methods=set(methods), app="open")


CLOSED = [
    ("/openai/config", "GET"), ("/openai/config/update", "POST"), ("/openai/{path:path}", "GET"),
    ("/ollama/verify", "POST"), ("/api/v1/functions/create", "POST"),
    ("/api/v1/tools/load/url", "POST"), ("/api/v1/retrieval/process/web", "POST"),
    ("/api/v1/configs/import", "POST"), ("/api/v1/configs/export", "GET"),
    ("/api/v1/configs/namespace/{namespace}", "GET"), ("/api/events/webhooks", "POST"),
    ("/api/v1/images/config/update", "POST"), ("/api/v1/audio/config/update", "POST"),
    ("/api/v1/auths/ldap", "POST"), ("/api/v1/users/{user_id}/oauth/sessions", "GET"),
    ("/api/v1/a/new/version", "GET"), ("/api/v1/chats/new", "DELETE"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "method"), CLOSED)
def test_a_route_that_is_not_listed_refuses_in_words(path: str, method: str) -> None:
    app = SimpleNamespace(routes=[closed := route(path, method)])
    routes.install(app, config())
    status, _, body = answered(closed.app)
    assert status == 403
    assert "tenant's file" in json.loads(body)["detail"]


@pytest.mark.parametrize(("path", "methods"), [
    ("", ()), ("/ws", ()), ("/api/chat/completions", ("POST",)),
    ("/api/v1/auths/signin", ("POST",)),
    ("/api/v1/files/", ("POST",)), ("/oauth/{provider}/callback", ("GET",)),
])  # fmt: skip
def test_what_people_need_stays_open(path: str, methods: Sequence[str]) -> None:
    app = SimpleNamespace(routes=[kept := route(path, *methods)])
    routes.install(app, config())
    assert kept.app == "open"


@pytest.mark.parametrize(("path", "more", "is_open"), [
    ("/openai/config", {"connections": True}, True), ("/openai/config", {"plugins": True}, False),
    ("/api/v1/functions/create", {"plugins": True}, True),
    ("/api/v1/functions/create", {"connections": True}, False),
    ("/api/v1/auths/ldap", {"plugins": True, "connections": True}, False),
    ("/api/v1/configs/import", {"plugins": True, "connections": True}, False),
])  # fmt: skip
def test_the_file_opens_routes(path: str, more: dict[str, bool], is_open: bool) -> None:
    closed = list(routes.closed([route(path, "POST")], config(**more)))
    assert (closed == []) == is_open


# --- Accounts


ANN = VerifiedLogin(issuer="https://id", subject="1", email="ann@example.com", verified=True)
UNSURE = VerifiedLogin(issuer="https://id", subject="1", email="ann@example.com", verified=False)


def account(name: str, email: str, **login: str) -> SimpleNamespace:
    return SimpleNamespace(id=name, email=email, oauth={"oidc": login} if login else None)


OWN = account("own", "old@example.com", sub="1", iss="https://id")
OTHERS = account("other", "ann@example.com", sub="2", iss="https://id")
LOCAL = account("local", "ann@example.com")


@pytest.mark.parametrize(("login", "own", "holder", "step"), [
    (ANN, None, None, Step.NOTHING),
    (ANN, OWN, None, Step.NOTHING),
    (ANN, OWN, OWN, Step.NOTHING),
    (UNSURE, OWN, OWN, Step.NOTHING),
    (ANN, None, OTHERS, Step.SET_ASIDE),
    (ANN, OWN, OTHERS, Step.SET_ASIDE),
    (UNSURE, None, OTHERS, Step.REFUSE),
    (UNSURE, OWN, OTHERS, Step.REFUSE),
    (ANN, None, LOCAL, Step.LINK),
    (UNSURE, None, LOCAL, Step.REFUSE),
    (ANN, OWN, LOCAL, Step.REFUSE),
])  # fmt: skip
def test_an_address_opens_no_account_but_its_person_s(
    login: VerifiedLogin, own: Any, holder: Any, step: Step
) -> None:
    assert decide(login, own, holder) is step


BEFORE = account("before", "Ann@example.com", sub="1")
BEFORE_OF_BEN = account("ben", "ben@example.com", sub="1")
OF_OLD_ISSUER = account("old", "ann@example.com", sub="1", iss="https://old")


@pytest.mark.parametrize(("known", "found"), [
    ([], None),
    ([BEFORE_OF_BEN, OF_OLD_ISSUER, OWN], OWN),
    ([BEFORE, OWN], OWN),
    ([OWN, BEFORE], OWN),
    ([BEFORE_OF_BEN, BEFORE], BEFORE),
    ([BEFORE, BEFORE_OF_BEN, OF_OLD_ISSUER], BEFORE),
    ([BEFORE_OF_BEN], None),
    ([OF_OLD_ISSUER], None),
])  # fmt: skip
def test_a_subject_is_one_of_its_issuer(known: list[Any], found: Any) -> None:
    assert accounts.of_subject(known, "https://id", "ann@example.com") is found


@pytest.mark.parametrize(("oauth", "claims"), [
    (None, {}),
    ({}, {}),
    ({"google": {"sub": "1", "iss": "x"}}, {}),
    ({"oidc": {"sub": "1"}}, {}),
    ({"oidc": {"sub": "1", "iss": "x"}}, {"oidc_issuer": "x", "oidc_subject": "1"}),
    ({"oidc": {"sub": "1", "iss": "x", "email": "a@b"}},
     {"oidc_issuer": "x", "oidc_subject": "1", "oidc_email": "a@b"}),
])  # fmt: skip
def test_the_header_says_what_the_login_wrote_down(oauth: Any, claims: dict[str, str]) -> None:
    assert accounts.claims(SimpleNamespace(oauth=oauth, email="edited@example.com")) == claims


class Accounts:
    """Open WebUI's tables of accounts and passwords, with one of each."""

    def __init__(self, known: SimpleNamespace) -> None:
        self.known, self.password = known, "old"

    async def get_user_by_id(self, _id: str) -> Any:
        return self.known

    async def update_user_by_id(self, _id: str, updated: dict[str, Any], **_more: Any) -> Any:
        vars(self.known).update(updated)
        return self.known

    async def update_email_by_id(self, _id: str, email: str, **_more: Any) -> bool:
        self.known.email = email
        return True

    async def update_user_password_by_id(self, _id: str, password: str, **_more: Any) -> bool:
        self.password = password
        return True


def guarded(known: SimpleNamespace, *, login: bool) -> Accounts:
    kept = Accounts(known)
    accounts.guard(kept, kept, login=login)
    return kept


@pytest.mark.parametrize(("login", "words"), [(True, "comes from the login"), (False, "who pays")])
def test_nobody_changes_who_pays_for_an_account(login: bool, words: str) -> None:
    kept = guarded(account("ann", "ann@example.com"), login=login)
    for change in (
        lambda: kept.update_email_by_id("ann", "ben@example.com"),
        lambda: kept.update_user_by_id("ann", {"email": "ben@example.com"}),
    ):
        with pytest.raises(HTTPException, match=words):
            asyncio.run(change())
    with pytest.raises(HTTPException):
        asyncio.run(kept.update_user_by_id("ann", {"oauth": {"oidc": {"sub": "2"}}}))
    assert kept.known.email == "ann@example.com"
    asyncio.run(kept.update_user_by_id("ann", {"email": "Ann@example.com", "name": "Ann"}))
    assert kept.known.name == "Ann"


def test_a_login_changes_the_e_mail() -> None:
    kept = guarded(account("ann", "ann@example.com", sub="1"), login=True)
    with accounts.logging_in():
        asyncio.run(kept.update_email_by_id("ann", "new@example.com"))
    assert kept.known.email == "new@example.com"


def test_an_account_of_the_provider_gets_no_password() -> None:
    kept = guarded(account("ann", "ann@example.com", sub="1"), login=True)
    with pytest.raises(HTTPException, match="no password"):
        asyncio.run(kept.update_user_password_by_id("ann", "new"))
    assert kept.password == "old"
    local = guarded(account("ann", "ann@example.com"), login=True)
    asyncio.run(local.update_user_password_by_id("ann", "new"))
    assert local.password == "new"


# --- Uploads


class Api(SimpleNamespace):
    """Keys and tokens of accounts, as Open WebUI finds them."""

    async def by_api_key(self, key: str) -> Any:
        return SimpleNamespace(id="ann") if key == "sk-of-ann" else None

    def decode(self, token: str) -> dict[str, str] | None:
        return {"session-of-ann": {"id": "ann"}, "session-of-ben": {"id": "ben"}}.get(token)


def uploads(app: Any, max_bytes: int = 2**20) -> Uploads:
    account_of = uploader(Api().decode, Api().by_api_key)
    return Uploads(app, max_bytes=max_bytes, max_body_bytes=1000, account_of=account_of)


ANNS_KEY = {"authorization": "Bearer sk-of-ann"}


@pytest.mark.parametrize(("path", "size", "status", "words"), [
    ("/api/v1/files/", 2**20, 200, ""),
    ("/api/v1/files/", 2**21, 413, "A file may have 1 MiB at most."),
    ("/api/v1/chats/new", 1000, 200, ""),
    ("/api/v1/chats/new", 1001, 413, "larger than"),
])  # fmt: skip
def test_a_body_is_refused_by_its_size(path: str, size: int, status: int, words: str) -> None:
    headers = {"content-length": str(size)} | ANNS_KEY
    sent = {"method": "POST", "path": path, "headers": headers, "body": b"x" * size}
    got, _, body = answered(uploads(page), **sent)
    assert got == status
    assert not words or words in json.loads(body)["detail"]


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 401),
    ({"authorization": "Bearer sk-unknown"}, 401),
    ({"authorization": "Bearer of-nobody"}, 401),
    ({"cookie": "token=sk-unknown"}, 401),
    ({"cookie": "token=of-nobody"}, 401),
    (ANNS_KEY, 200),
    ({"cookie": "a=b; token=session-of-ann"}, 200),
])  # fmt: skip
def test_nobody_uploads_without_a_login(headers: dict[str, str], status: int) -> None:
    sent = {"method": "POST", "path": "/api/v1/files/", "body": b"x"}
    assert answered(uploads(page), headers=headers, **sent)[0] == status


@pytest.mark.parametrize(("before", "then", "status"), [
    (["sk-unknown", "sk-unknown"], "session-of-ben", 200),
    (["sk-of-ann", "sk-of-ann", "session-of-ann"], "session-of-ben", 200),
    (["sk-of-ann", "session-of-ben"], "sk-unknown", 401),
    (["sk-of-ann"], "session-of-ann", None),
])  # fmt: skip
def test_slow_uploads_leave_a_turn_to_others(
    before: list[str], then: str, status: int | None
) -> None:
    """`before` never send the end of their files."""
    app = uploads(page)

    async def upload(token: str, sent: list[Any], *, ends: bool) -> None:
        async def receive() -> Any:
            if not ends:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": b"x", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-length", b"1")]
        scope = {"type": "http", "method": "POST", "path": "/api/v1/files/", "headers": headers}
        await app(scope, receive, send)

    async def run() -> list[Any]:
        slow = [asyncio.create_task(upload(token, [], ends=False)) for token in before]
        sent: list[Any] = []
        task = asyncio.create_task(upload(then, sent, ends=True))
        await asyncio.wait([task], timeout=0.2)
        for each in (task, *slow):
            each.cancel()
        return sent

    sent = asyncio.run(run())
    assert (sent[0]["status"] if sent else None) == status
