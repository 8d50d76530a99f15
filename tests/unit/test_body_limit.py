"""No body is read beyond the limit, whatever it claims to be; what is within arrives whole."""

import asyncio
import gzip
import json
import socket
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from asgi.body_limit import BodyLimit, BodyMemory, Message, Receive, Scope, Send, memory_of
from tests.server import Server

LIMIT = 1000
SIZES = st.one_of(st.integers(0, 3 * LIMIT), st.integers(LIMIT - 2, LIMIT + 2))
Header = tuple[bytes, bytes]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the body that it got."""
    assert scope["type"] == "http"
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body, "more_body": False})


class Request:
    """One request through the limit, without a server; counts the bytes that were asked for."""

    def __init__(self, chunks: Sequence[bytes], headers: Sequence[Header] = ()) -> None:
        self._chunks = iter(chunks)
        self._left = len(chunks)
        self.headers = headers
        self.read = 0
        self.read_before_answer = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        chunk = next(self._chunks)
        self._left -= 1
        self.read += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": self._left > 0}

    async def send(self, message: Message) -> None:
        if not self.sent:
            self.read_before_answer = self.read
        self.sent.append(message)

    def run(self) -> tuple[int, bytes]:
        scope = {"type": "http", "method": "POST", "path": "/", "headers": self.headers}
        app = BodyLimit(echo, max_bytes=LIMIT)
        asyncio.run(app(scope, self.receive, self.send))
        assert self.sent[-1]["more_body"] is False
        return self.sent[0]["status"], b"".join(each["body"] for each in self.sent[1:])


@given(st.lists(SIZES, min_size=1, max_size=5))
def test_a_chunked_body_is_whole_or_refused(sizes: list[int]) -> None:
    chunks = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    status, body = Request(chunks).run()
    if sum(sizes) <= LIMIT:
        assert (status, body) == (200, b"".join(chunks))
    else:
        assert status == 413
        assert b"larger than" in body


@given(SIZES)
def test_a_declared_size_is_refused_unread(size: int) -> None:
    request = Request([b"x" * size], [(b"content-length", str(size).encode())])
    status, _ = request.run()
    assert status == (200 if size <= LIMIT else 413)
    assert request.read_before_answer == (size if size <= LIMIT else 0)


@given(st.integers(0, LIMIT), st.integers(LIMIT + 1, 3 * LIMIT))
def test_a_declared_size_that_lies_changes_nothing(declared: int, size: int) -> None:
    chunks = [b"x" * (size // 2), b"x" * (size - size // 2)]
    assert Request(chunks, [(b"content-length", str(declared).encode())]).run()[0] == 413


@pytest.mark.parametrize(("headers", "status"), [
    ([(b"content-length", b"2"), (b"content-length", b"3")], 400),
    ([(b"content-length", b"2"), (b"transfer-encoding", b"chunked")], 400),
    ([(b"content-length", b"-1")], 400),
    ([(b"content-length", b"+2")], 400),
    ([(b"content-length", b"2, 2")], 400),
    ([(b"content-length", b"0x2")], 400),
    ([(b"content-length", b"")], 400),
    ([(b"content-length", b"9" * 5000)], 413),
    ([(b"content-length", b"0" * 5000 + b"2")], 200),
    ([(b"content-length", b"2"), (b"content-length", b"2")], 200),
    ([(b"Content-Length", b"1001")], 413),
    ([(b"content-encoding", b"identity")], 200),
    ([(b"content-encoding", b"gzip")], 415),
    ([(b"content-encoding", b"Deflate")], 415),
    ([(b"content-encoding", b"br")], 415),
    ([(b"content-encoding", b"zstd")], 415),
    ([(b"content-encoding", b"identity, gzip")], 415),
    ([(b"content-encoding", b"identity"), (b"content-encoding", b"gzip")], 415),
])  # fmt: skip
def test_headers_decide_before_the_body(headers: list[Header], status: int) -> None:
    assert Request([b"{}"], headers).run()[0] == status


def test_a_compressed_bomb_is_not_unpacked() -> None:
    for encoding, body in (
        (b"gzip", gzip.compress(b"x" * 100_000)),
        (b"deflate", zlib.compress(b"x" * 100_000)),
    ):
        assert len(body) < LIMIT
        request = Request([body], [(b"content-encoding", encoding)])
        status, answer = request.run()
        assert status == 415
        assert b"without compression" in answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(("header", "status"), [
    ((b"content-length", b"2"), 400),
    ((b"transfer-encoding", b"chunked"), 400),
    ((b"content-length", b"0"), 200),
    ((b"accept", b"*/*"), 200),
])  # fmt: skip
def test_a_request_without_a_body_declares_none(method: str, header: Header, status: int) -> None:
    # Without a key, it could otherwise hold the memory of others for as long as it waits.
    request = Request([b""])
    app = BodyLimit(echo, max_bytes=LIMIT, memory=BodyMemory(0))
    scope = {"type": "http", "method": method, "path": "/", "headers": [header]}
    asyncio.run(app(scope, request.receive, request.send))
    assert request.sent[0]["status"] == status


def test_a_refusal_has_the_form_of_the_api() -> None:
    _, body = Request([b"x" * (LIMIT + 1)]).run()
    error = json.loads(body)["error"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "413"
    assert "0.000953674 MiB" in error["message"]


def test_an_app_has_its_own_form_of_refusals() -> None:
    def refuse(scope: Scope, status: int, message: str) -> bytes:
        return f"{scope['path']} {status} {message[:8]}".encode()

    request = Request([b"x" * (LIMIT + 1)])
    app = BodyLimit(echo, max_bytes=LIMIT, refuse=refuse)
    scope = {"type": "http", "path": "/here", "headers": []}
    asyncio.run(app(scope, request.receive, request.send))
    assert request.sent[1]["body"] == b"/here 413 The body"


def test_a_client_that_leaves_gets_no_answer() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/", "headers": []}
    asyncio.run(BodyLimit(echo, max_bytes=LIMIT)(scope, receive, send))
    assert not sent


def test_what_is_no_request_passes() -> None:
    seen = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    request = Request([])
    for kind in ("lifespan", "websocket"):
        asyncio.run(BodyLimit(app, max_bytes=LIMIT)({"type": kind}, request.receive, request.send))
    assert seen == ["lifespan", "websocket"]


# --- many at once


async def crowd(
    memory: BodyMemory, bodies: Sequence[bytes], *, chunked: bool = False
) -> tuple[list[int], int]:
    """The statuses of requests that come at once, and how many were answered at the same time."""
    under_way = most = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        await echo(scope, receive, send)
        under_way -= 1

    async def one(body: bytes) -> int:
        length = (b"content-length", str(len(body)).encode())
        header = (b"transfer-encoding", b"chunked") if chunked else length
        request = Request([body])
        scope = {"type": "http", "path": "/", "headers": [header]}
        limit = BodyLimit(app, max_bytes=LIMIT, memory=memory)
        await limit(scope, request.receive, request.send)
        return int(request.sent[0]["status"])

    statuses = await asyncio.gather(*map(one, bodies))
    return statuses, most


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_wait_for_each_other(chunked: bool) -> None:
    memory = BodyMemory(LIMIT * 8 * 4)  # large ones have three quarters of it
    statuses, most = asyncio.run(crowd(memory, [b"x" * LIMIT] * 20, chunked=chunked))
    assert statuses == [200] * 20
    assert most == 3


def test_small_bodies_do_not_wait_for_large_ones() -> None:
    memory = BodyMemory(LIMIT * 8 * 4)
    bodies = [b"x" * LIMIT] * 10 + [b"x" * 10] * 50
    statuses, most = asyncio.run(crowd(memory, bodies))
    assert statuses == [200] * 60
    assert most >= 53


def test_a_body_does_not_wait_for_ever() -> None:
    memory = BodyMemory(LIMIT * 8 * 2, wait_seconds=0.01)
    statuses, _ = asyncio.run(crowd(memory, [b"x" * LIMIT] * 3))
    assert sorted(statuses) == [200, 503, 503]


@pytest.mark.parametrize("body", [b"[" + b"{}," * 200 + b"{}]", b"[" * 300 + b"]" * 300])
def test_a_body_of_many_parts_is_too_large(body: bytes) -> None:
    memory = BodyMemory(30_000)
    assert len(body) < LIMIT
    statuses, _ = asyncio.run(crowd(memory, [body, b"x" * len(body)]))
    assert statuses == [413, 200]


def test_names_take_memory() -> None:
    names = b",".join(b'"%x":1' % number for number in range(100_000))
    assert memory_of(b"{" + names + b"}") > 100_000 * 200


def test_what_was_held_is_given_back_however_it_ends() -> None:
    memory = BodyMemory(LIMIT * 8 * 2, wait_seconds=0.01)

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError

    async def often() -> list[int]:
        scope: Scope = {"type": "http", "path": "/", "headers": []}
        for _ in range(5):
            request = Request([b"x" * LIMIT])
            limit = BodyLimit(app, max_bytes=LIMIT, memory=memory)
            with pytest.raises(LookupError):
                await limit(scope, request.receive, request.send)
        statuses, _ = await crowd(memory, [b"x" * LIMIT])
        return statuses

    assert asyncio.run(often()) == [200]


# --- with a server


@pytest.fixture(params=["h11", "httptools"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    app = BodyLimit(echo, max_bytes=1_000_000, patience_seconds=0.5)
    config = uvicorn.Config(app, port=0, http=request.param, lifespan="off", log_level="error")
    with Server(config).running() as number:
        yield number


def test_a_large_body_is_answered_while_it_is_sent(port: int) -> None:
    body = b"x" * 20_000_000
    answers = [
        httpx.post(f"http://127.0.0.1:{port}/", content=body),
        httpx.post(f"http://127.0.0.1:{port}/", content=iter([body])),
    ]
    assert [answer.status_code for answer in answers] == [413, 413]
    assert "0.953674 MiB" in answers[0].json()["error"]["message"]


def test_the_largest_body_arrives(port: int) -> None:
    body = b"x" * 1_000_000
    for content in (body, iter([body[:400_000], body[400_000:]])):
        answer = httpx.post(f"http://127.0.0.1:{port}/", content=content)
        assert (answer.status_code, answer.content) == (200, body)


def test_a_slow_body_is_cut(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(head)
        started = time.monotonic()
        connection.setblocking(False)
        for _ in range(30):
            time.sleep(0.1)
            try:
                answer = connection.recv(1000)
                break
            except BlockingIOError:
                connection.send(b"x")
        else:
            pytest.fail("it was never cut")
    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started < 2


def test_the_next_request_of_a_connection_is_answered(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for size in (10, 2_000_000, 10, 0, 10):
            answer = client.post("/", content=b"x" * size)
            assert answer.status_code == (413 if size > 1_000_000 else 200)
