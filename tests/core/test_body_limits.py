"""Bodies that are too large, compressed or never end are refused before they are read."""

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from asgi.header_timeout import HEADER_SECONDS
from core.services.billing.app import LONGEST_BODY, LONGEST_OF_STRANGERS
from core.services.web.app import LONGEST_FORM
from tests.core.billing import OPERATOR, billing, key_of, told
from tests.core.identity import Identity
from tests.core.processes import AppProcess, PocketBaseProcess

KEY = f"X-API-Key: {key_of('limits')}"
CHECK, LOG, TENANT = "/api/check-budget", "/api/log-usage", "/api/tenants/limits"
GIGABYTE = 1 << 30


@pytest.fixture(scope="module")
def process(
    pocketbase: PocketBaseProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppProcess]:
    with billing(tmp_path_factory.mktemp("limits"), pocketbase, told("limits")) as process:
        yield process


def answer(process: AppProcess, head: str, body: bytes = b"") -> tuple[int, str]:
    """Status and text of what comes back to a request that may be cut off in the middle."""
    parts = urlsplit(process.url)
    with socket.create_connection((str(parts.hostname), process.port), timeout=60) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
            end = received.find(b"\r\n\r\n")
            if end >= 0 and received[end + 4 :].endswith(b"}"):
                break
    status, _, text = received.partition(b"\r\n\r\n")
    return int(status.split()[1]), text.decode()


def head(process: AppProcess, path: str, *headers: str, method: str = "POST") -> str:
    return "\n".join([f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{process.port}", *headers])


@pytest.mark.parametrize("path", [CHECK, LOG, TENANT, "/nothing"])
@pytest.mark.parametrize("key", [KEY, f"X-API-Key: {OPERATOR}", "X-API-Key: x", "X-Other: x"])
def test_a_large_body_is_refused_by_its_length(process: AppProcess, path: str, key: str) -> None:
    request = head(process, path, key, f"Content-Length: {GIGABYTE}")
    status, text = answer(process, request)
    assert status == 413
    assert "larger than" in json.loads(text)["message"]


@pytest.mark.parametrize(
    ("key", "longest"), [(KEY, LONGEST_BODY), ("X-API-Key: x", LONGEST_OF_STRANGERS)]
)
def test_a_body_without_a_length_is_cut_off(process: AppProcess, key: str, longest: int) -> None:
    request = head(process, LOG, key, "Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    assert answer(process, request, chunk * (longest // 0x10000 + 1))[0] == 413


def test_a_body_up_to_the_limit_is_read(process: AppProcess) -> None:
    for key, longest, status in ((KEY, LONGEST_BODY, 422), ("X-A: x", LONGEST_OF_STRANGERS, 401)):
        request = head(process, CHECK, key, f"Content-Length: {longest}")
        assert answer(process, request, b" " * longest)[0] == status
        request = head(process, CHECK, key, f"Content-Length: {longest + 1}")
        assert answer(process, request)[0] == 413


def test_a_compressed_body_is_refused(process: AppProcess) -> None:
    body = gzip.compress(b" " * (1 << 26))
    length = f"Content-Length: {len(body)}"
    assert (
        answer(process, head(process, LOG, KEY, "Content-Encoding: gzip", length), body)[0] == 415
    )


def test_many_large_bodies_without_a_key_take_no_memory(process: AppProcess) -> None:
    before = kibibytes(process)
    connections = []
    for _ in range(40):
        connection = socket.create_connection(("127.0.0.1", process.port))
        request = head(process, LOG, f"Content-Length: {LONGEST_BODY}").replace("\n", "\r\n")
        connection.sendall(request.encode() + b"\r\n\r\n" + b" " * 100_000)
        connections.append(connection)
    time.sleep(1)
    assert kibibytes(process) - before < 20 * 1024
    for connection in connections:
        connection.close()


def kibibytes(process: AppProcess) -> int:
    """Of memory that it uses."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1])


@pytest.mark.parametrize(
    "path", ["/login", "/token", "/password", "/people/budget", "/end-session"]
)
@pytest.mark.parametrize("length", [f"Content-Length: {LONGEST_FORM + 1}", "chunked"])
def test_a_large_form_is_refused(identity: Identity, path: str, length: str) -> None:
    body = b""
    if length == "chunked":
        length, body = "Transfer-Encoding: chunked", b"10001\r\n" + b"x" * 0x10001 + b"\r\n"
    form = "Content-Type: application/x-www-form-urlencoded"
    status, text = answer(identity.process, head(identity.process, path, form, length), body)
    assert (status, json.loads(text)["error"]) == (413, "invalid_request")


def test_headers_that_never_end_are_not_waited_for(process: AppProcess) -> None:
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        begun = time.monotonic()
        connection.sendall(b"POST /api/check-budget HTTP/1.1\r\nHost: x\r\nX-")
        assert connection.recv(1) == b""
        assert time.monotonic() - begun < HEADER_SECONDS + 10


def test_a_body_that_never_comes_is_not_waited_for(process: AppProcess) -> None:
    assert answer(process, head(process, CHECK, KEY, "Content-Length: 9"), b"{")[0] == 408
