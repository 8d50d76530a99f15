"""What a Docker host publishes is asked as a browser would, and through ssh where it has to be."""

import getpass
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.doctor.outside import Outside, words
from tests.e2e.project import free_ports

LOCAL = Outside("unix:///var/run/docker.sock")


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        upgrade = self.headers["Upgrade"] == "websocket" and self.headers["Host"] == "chat"
        if self.path.startswith("/to/"):
            self.answer(302, location=f"/{self.path[4:]}")
        elif upgrade:
            self.answer(101)
        else:
            self.answer(404 if "missing" in self.path else 200, f"<b>{self.path}</b>")

    def answer(self, status: int, text: str = "", location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_answer_and_where_it_came_from(url: str) -> None:
    assert LOCAL.get(f"{url}/to/to/page?a=b") == (200, "<b>/page?a=b</b>", f"{url}/page?a=b")
    assert LOCAL.get(f"{url}/missing").status == 404
    assert words("<head><title>no</title></head><p>Not  <b>here</b></p>") == "Not here"


def test_a_redirect_back_is_not_followed(url: str) -> None:
    answer = LOCAL.get(f"{url}/to/callback?error=access_denied", until=f"{url}/callback")
    assert answer == (302, "", f"{url}/callback?error=access_denied")


def test_whether_a_websocket_opens(url: str) -> None:
    assert LOCAL.websocket(f"{url}/ws", "http://chat") == 101
    assert LOCAL.websocket(f"{url}/ws", "http://elsewhere") == 200


def test_nobody_there() -> None:
    [port] = free_ports(1)
    with pytest.raises(OSError, match="refused"):
        LOCAL.get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(("host", "asked"), [
    ("127.0.0.1", False), ("[::1]", False), ("localhost", False), ("172.17.0.1", False),
    ("chat.example.com", True), ("8.8.8.8", True),
])  # fmt: skip
def test_another_host_s_own_addresses_are_not_ours(host: str, asked: bool) -> None:
    assert Outside("tcp://192.0.2.1:2376").reaches(f"http://{host}:3000/") == asked
    assert Outside("ssh://root@192.0.2.1").reaches(f"http://{host}:3000/")


@pytest.fixture
def ssh_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real sshd on loopback, and an ssh that knows it."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if not sshd or not shutil.which("ssh"):
        pytest.skip("there is no sshd")
    [port] = free_ports(1)
    for name in ("host", "person"):
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", tmp_path / name], check=True)
    (tmp_path / "known").write_text(f"* {(tmp_path / 'host.pub').read_text()}", encoding="utf-8")
    (tmp_path / "client").write_text(
        f"IdentityFile {tmp_path}/person\nUserKnownHostsFile {tmp_path}/known\n", encoding="utf-8"
    )
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {tmp_path}/client "$@"\n', "utf-8")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    (tmp_path / "server").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/person.pub\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\n",
        encoding="utf-8",
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen([sshd, "-D", "-e", "-f", tmp_path / "server"]) as process:
        time.sleep(0.5)
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}"
        process.terminate()


def test_a_host_of_ssh_is_asked_through_it(ssh_host: str, url: str) -> None:
    outside = Outside(ssh_host)
    assert outside.get(f"{url}/to/page").text == "<b>/page</b>"
    assert outside.websocket(f"{url}/ws", "http://chat") == 101
    [port] = free_ports(1)
    with pytest.raises(OSError, match=r"no HTTP|reset|closed"):
        outside.get(f"http://127.0.0.1:{port}/")
