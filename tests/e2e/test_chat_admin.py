"""What an admin of a chat can do, and what is the tenant's file's."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from docker import DockerClient

from chat import routes
from cli.environment import docker_address
from cli.running import RunningStack
from components.services.openwebui import chat_command
from images.catalog import load_catalog
from tests.e2e.conftest import Running
from tests.e2e.waiting import until, until_healthy
from tests.e2e.webui import Login, Session, admin

ELSEWHERE = "http://169.254.169.254/latest"

# Fields of open routes that are named like an address and lead nowhere.
HARMLESS = re.compile(
    r"(profile|background)_image_url|url_idx|server_id|API_KEYS_ALLOWED_ENDPOINTS|direct_tool_servers"
    r"|ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS|ENABLE_USER_WEBHOOKS|webhooks"
    r"|WEBUI_URL|host"  # settings of the file: their change is refused
)

# Prints what each route of Open WebUI takes.
FIELDS = """
import json, typing
import open_webui.main as main
from pydantic import BaseModel

def fields(kind, seen):
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
        seen.add(kind)
        for name, field in kind.model_fields.items():
            yield name
            yield from fields(field.annotation, seen)
    for part in typing.get_args(kind):
        yield from fields(part, seen)

found = {}
for route in main.app.routes:
    methods = ",".join(sorted(getattr(route, "methods", None) or ()))
    taken = found.setdefault(f"{route.path} {methods}".strip(), [])
    if dependant := getattr(route, "dependant", None):
        for parameter in [*dependant.body_params, *dependant.query_params]:
            taken.append(parameter.name)
            taken.extend(fields(getattr(parameter.field_info, "annotation", None), set()))
print("ROUTES" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def taken(engine: DockerClient) -> dict[str, list[str]]:
    """What each route of the image takes, by its name."""
    environment = {
        "WEBUI_SECRET_KEY": "x",
        "OFFLINE_MODE": "true",
        "ENABLE_OLLAMA_API": "false",
        "DATA_DIR": "/tmp",
        "STATIC_DIR": "/tmp/static",
        "HOME": "/tmp",
    }
    printed = engine.containers.run(
        load_catalog("built").running["openwebui"].reference,
        ["python3", "-c", FIELDS],
        environment=environment,
        remove=True,
    )
    [line] = [line for line in printed.decode().splitlines() if line.startswith("ROUTES")]
    found: dict[str, list[str]] = json.loads(line.removeprefix("ROUTES"))
    return found


def test_the_list_of_open_routes_is_that_of_the_image(taken: dict[str, list[str]]) -> None:
    assert routes.listed() - set(taken) == set()
    assert len(taken) > len(routes.listed()) > 300


def test_no_open_route_takes_an_address(taken: dict[str, list[str]]) -> None:
    address = re.compile(r"url|uri|host|endpoint|webhook|address|server", re.I)
    leading = {
        name: wrong
        for name in routes.listed()
        if (wrong := [f for f in taken[name] if address.search(f) and not HARMLESS.fullmatch(f)])
    }
    assert leading == {}


@pytest.fixture(scope="module")
def chat(beta_tenant: Running) -> Iterator[httpx.Client]:
    """The first admin, at the chat of `beta`, which lets nobody sign in for each test."""
    token = Session.sign_in(beta_tenant, admin(beta_tenant)).token
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=beta_tenant.chat, headers=headers, timeout=60) as client:
        yield client


ADDRESSES: list[tuple[str, dict[str, Any]]] = [
    ("/openai/config/update", {"OPENAI_API_BASE_URLS": [ELSEWHERE], "OPENAI_API_KEYS": ["x"],
                               "OPENAI_API_CONFIGS": {}}),
    ("/openai/verify", {"url": ELSEWHERE, "key": "x"}),
    ("/ollama/verify", {"url": ELSEWHERE}),
    ("/api/v1/configs/connections", {"ENABLE_DIRECT_CONNECTIONS": True}),
    ("/api/v1/configs/tool_servers/verify", {"url": ELSEWHERE, "path": "openapi.json"}),
    ("/api/v1/configs/terminal_servers/verify", {"url": ELSEWHERE}),
    ("/api/v1/configs/import", {"config": {"openai.api_base_urls": [ELSEWHERE]}}),
    ("/api/v1/retrieval/process/web", {"url": ELSEWHERE}),
    ("/api/v1/retrieval/process/youtube", {"url": ELSEWHERE}),
    ("/api/v1/tools/load/url", {"url": ELSEWHERE}),
    ("/api/v1/functions/load/url", {"url": ELSEWHERE}),
    ("/api/v1/skills/load/url", {"url": ELSEWHERE}),
    ("/api/v1/functions/create", {"id": "f", "name": "f", "content": "import os", "meta": {}}),
    ("/api/v1/tools/create", {"id": "t", "name": "t", "content": "import os", "meta": {}}),
    ("/api/v1/pipelines/add", {"url": ELSEWHERE, "urlIdx": 0}),
    ("/api/v1/images/config/update", {}),
    ("/api/v1/audio/config/update", {}),
    ("/api/v1/utils/code/execute", {"code": "1"}),
    ("/api/events/webhooks", {"url": ELSEWHERE}),
    ("/api/v1/auths/ldap", {"user": "a", "password": "b"}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), ADDRESSES, ids=[path for path, _ in ADDRESSES])
def test_no_address_and_no_code_of_an_admin_s_gets_in(
    chat: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    answer = chat.post(path, json=body)
    assert answer.status_code == 403
    assert "tenant's file" in answer.json()["detail"]


def test_an_admin_reads_no_secret(beta_tenant: Running, chat: httpx.Client) -> None:
    show = "for file in /run/secrets/env/*; do cat $file; echo; done"
    _, printed = beta_tenant.run("openwebui", "sh", "-c", show, user="0")
    secrets = [word for word in printed.split() if len(word) >= 32]
    assert len(secrets) >= 5
    read = [name.removesuffix(" GET") for name in routes.listed() if name.endswith(" GET")]
    closed = ["/openai/config", "/api/v1/configs/export", "/api/v1/configs/namespace/openai"]
    for path in [path for path in read if "{" not in path] + closed:
        text = chat.get(path).text
        assert not [secret for secret in secrets if secret in text], path
    assert {chat.get(path).status_code for path in closed} == {403}


def test_a_message_leads_to_no_inner_address(beta_tenant: Running, chat: httpx.Client) -> None:
    """An address in a message, that Open WebUI would fetch for the model, is not fetched."""
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"http://postgres:5432/{beta_tenant.slug}"}},
    ]
    body = {
        "model": "demo-model",
        "stream": False,
        "messages": [{"role": "user", "content": parts}],
    }
    chat.post("/api/chat/completions", json=body)
    fetch = "import urllib.request as r; r.urlopen('http://169.254.169.254', timeout=3)"
    hooked = (
        "from chat.config import load; from chat.outbound import Outbound;"
        f" Outbound(load().destinations).install(); {fetch}"
    )
    command = ["sh", "-c", f'cd /etc/cloudfreedom && python3 -c "{hooked}"']
    _, printed = beta_tenant.run("openwebui", *command)
    assert "may not connect to 169.254.169.254:80" in printed


def test_what_an_admin_sets_outlives_a_restart(beta_tenant: Running, chat: httpx.Client) -> None:
    banner = {"id": "1", "type": "info", "title": "", "content": "Hello", "dismissible": True,
              "timestamp": 1}  # fmt: skip
    chat.post("/api/v1/configs/banners", json={"banners": [banner]}).raise_for_status()
    permissions = chat.get("/api/v1/users/default/permissions").json()
    permissions["chat"]["delete"] = False
    chat.post("/api/v1/users/default/permissions", json=permissions).raise_for_status()
    beta_tenant.container("openwebui").restart()
    until_healthy(beta_tenant, "openwebui")
    assert [each["content"] for each in chat.get("/api/v1/configs/banners").json()] == ["Hello"]
    assert chat.get("/api/v1/users/default/permissions").json()["chat"]["delete"] is False


@pytest.mark.parametrize("change", [
    {"ENABLE_SIGNUP": False}, {"DEFAULT_USER_ROLE": "admin"}, {"JWT_EXPIRES_IN": "-1"},
    {"WEBUI_URL": "http://evil.example"}, {"ENABLE_LOGIN_FORM": False},
])  # fmt: skip
def test_a_setting_of_the_file_is_refused_in_the_page(
    chat: httpx.Client, change: dict[str, Any]
) -> None:
    now = chat.get("/api/v1/auths/admin/config").json()
    assert chat.post("/api/v1/auths/admin/config", json=now).is_success, "the rest is an admin's"
    refused = chat.post("/api/v1/auths/admin/config", json=now | change)
    assert refused.status_code == 403
    assert "tenant's file" in refused.json()["detail"]
    assert chat.get("/api/v1/auths/admin/config").json() == now


def test_an_admin_cannot_say_who_pays(beta_tenant: Running, chat: httpx.Client) -> None:
    login = Login.new()
    session = Session.new(beta_tenant, login)
    who = session.who().json()
    edit = {"role": "user", "name": "New Name", "profile_image_url": "/user.png"}
    refused = chat.post(
        f"/api/v1/users/{who['id']}/update", json=edit | {"email": "other@example.com"}
    )
    assert refused.status_code == 403
    assert "who pays" in refused.json()["detail"]
    renamed = chat.post(f"/api/v1/users/{who['id']}/update", json=edit | {"email": login.email})
    assert renamed.json()["name"] == "New Name"
    assert session.who().json()["email"] == login.email


def test_a_file_is_bounded_listed_and_deleted(chat: httpx.Client) -> None:
    kept = chat.post("/api/v1/files/", files={"file": ("a.txt", b"hello", "text/plain")}).json()
    assert kept["id"] in [each["id"] for each in chat.get("/api/v1/files/").json()["items"]]
    assert chat.delete(f"/api/v1/files/{kept['id']}").json()["message"]
    big = ("a.txt", b"x" * (21 * 2**20), "text/plain")
    refused = chat.post("/api/v1/files/", files={"file": big})
    assert refused.status_code == 413
    assert refused.json()["detail"] == "A file may have 20 MiB at most."
    assert chat.post("/api/v1/files/", files={"file": big[:2]}, headers={"Authorization": ""})
    body = {
        "model": "demo-model",
        "stream": False,
        "messages": [{"role": "user", "content": "Hi"}],
        "files": [{"type": "file", "id": kept["id"]}] * 11,
    }
    many = chat.post("/api/chat/completions", json=body)
    assert "10 files" in many.text


def test_under_another_name_nobody_pays(beta_tenant: Running) -> None:
    with httpx.Client(base_url=beta_tenant.chat, headers={"Host": "other.example"}) as client:
        answer = client.get("/", headers={"Accept": "text/html"})
        assert (answer.status_code, beta_tenant.chat in answer.text) == (421, True)
        assert client.post("/api/chat/completions", json={}).status_code == 421
    port = beta_tenant.tenant["openwebui"]["port"]
    local = httpx.get(f"{beta_tenant.chat}/api/config", headers={"Host": f"localhost:{port}"})
    assert local.is_success


def test_an_answer_carries_headers_and_the_log_no_code(beta_tenant: Running) -> None:
    headers = httpx.get(beta_tenant.chat).headers
    for name in ("content-security-policy", "x-frame-options", "x-content-type-options"):
        assert name in headers
    httpx.get(f"{beta_tenant.chat}/oauth/oidc/callback?code=s3cret&state=hidden")
    # A busy engine is late with a line.
    until(lambda: "/oauth/oidc/callback" in beta_tenant.log("openwebui", tail=50))
    logged = beta_tenant.log("openwebui", tail=50)
    assert "code=***&state=***" in logged
    assert "s3cret" not in logged


# --- No admin is left who can log in


def reset(tenant: Running) -> None:
    """As `cloudfreedom reset-admin` does for a tenant of this project."""
    stack = RunningStack(docker_address(), tenant.slug)
    command = chat_command("chat.first_admin")
    assert stack.run_as_process(stack.existing("openwebui"), command) == 0


@pytest.mark.usefixtures("on_one_way")
def test_the_first_admin_is_let_in_again(beta_tenant: Running) -> None:
    first, other = admin(beta_tenant), Login.new("Other Admin")
    session = Session.sign_in(beta_tenant, first)
    session.add(other, role="admin")
    session.change_password(first.password, "something else")
    reset(beta_tenant)
    assert not session.valid
    again = Session.sign_in(beta_tenant, first)
    assert again.who().json()["role"] == "admin"

    for table in ('"user"', "auth"):  # the page lets nobody do this, and a script may
        gone = f"DELETE FROM {table} WHERE email = '{first.email}'"
        assert beta_tenant.run("postgres", "psql", "-d", "openwebui", "-c", gone)[0] == 0
    reset(beta_tenant)
    assert Session.sign_in(beta_tenant, first).who().json()["role"] == "admin"
