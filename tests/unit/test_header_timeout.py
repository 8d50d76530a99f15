"""A connection does not outlive headers that never come; one that is used, lives."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import httpx
import pytest
import uvicorn

from asgi import header_timeout
from asgi.body_limit import Message, Receive, Scope, Send
from asgi.header_timeout import HeaderTimeout
from tests.server import Server

SECONDS = 0.4
WHOLE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    """Takes longer than headers may."""
    more = True
    while more:
        more = (await receive())["more_body"]
    await asyncio.sleep(2 * SECONDS)
    message: Message = {"type": "http.response.start", "status": 200, "headers": []}
    await send({**message, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(header_timeout, "HEADER_SECONDS", SECONDS)
    config = uvicorn.Config(
        app, port=0, http=HeaderTimeout, ws="none", lifespan="off", log_level="error"
    )
    with Server(config).running() as number:
        yield number


def connected(port: int) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", port), timeout=10))


@pytest.mark.parametrize("start", [b"", b"G", b"GET / HTTP/1.1\r\nhost: x\r\nx-long: aaaa"])
def test_headers_that_never_end_are_given_up(port: int, start: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(start)
        started = time.monotonic()
        assert connection.recv(1000) == b""
        assert SECONDS / 2 < time.monotonic() - started < 3 * SECONDS


def test_a_byte_now_and_then_gives_no_more_time(port: int) -> None:
    started = time.monotonic()
    with connected(port) as connection, suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\nx-long: ")
        while time.monotonic() - started < 10:
            connection.sendall(b"a")
            time.sleep(0.05)
    assert time.monotonic() - started < 4 * SECONDS


def test_headers_without_an_end_are_refused_at_their_limit(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx-long: " + b"a" * 70_000)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_request_may_take_its_time(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(2):
            assert client.get("/").text == "ok"
        assert client.post("/", content=iter([b"x", b"y"])).text == "ok"


def test_the_second_request_of_a_connection_is_timed_as_well(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(WHOLE)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.sendall(WHOLE[:-2])
        started = time.monotonic()
        while connection.recv(1000):
            pass
        assert time.monotonic() - started < 3 * SECONDS


def test_an_upgrade_is_answered_as_a_request(port: int) -> None:
    upgrade = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    with connected(port) as connection:
        connection.sendall(upgrade)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
