"""Every route is closed but those that are listed, and those by the exact path alone."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi.body_limit import Message, Receive, Scope, Send
from gateway.routes import ClosedRoutes, api_key, is_listed

Headers = list[tuple[bytes, bytes]]
ROUTES = {
    "sk-program": ("/v1/models", "/v1/models/{model}", "/v1/responses/{id}/input_items", "/metrics")
}
KEY: Headers = [(b"authorization", b"Bearer sk-program")]


def answer(method: str, path: str, headers: Headers = KEY, *, kind: str = "http") -> Message:
    """The first message of the answer; that of a request which is let through has no status."""
    sent: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "through"})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    closed = ClosedRoutes(
        app, routes_of=ROUTES.get, refuse=lambda _scope, status, _message: str(status).encode()
    )
    scope = {"type": kind, "method": method, "path": path, "headers": headers}
    asyncio.run(closed(scope, receive, send))
    return sent[0]


def status(method: str, path: str, headers: Headers = KEY) -> int:
    return int(answer(method, path, headers).get("status", 200))


@pytest.mark.parametrize(("path", "expected"), [
    ("/v1/models", 200),
    ("/models", 200),
    ("/v1/models/gpt-4.1/eu", 200),
    ("/models/gpt", 200),
    ("/v1/responses/resp_1/input_items", 200),
    ("/metrics", 200),
    ("/v1/responses/a/b/input_items", 403),
    ("/v1/responses//input_items", 403),
    ("/v1/responses/resp_1", 403),
    ("/v1/models/", 403),
    ("/v1/models//x", 403),
    ("//v1/models", 403),
    ("/v1//models", 403),
    ("/V1/models", 403),
    ("/v1/models;x", 403),
    ("/v1/models\n", 403),
    ("/x/../v1/models", 403),
    ("/v1/metrics", 403),
    ("/metrics/", 403),
    ("/v1/models%2f", 403),
    ("", 403),
])  # fmt: skip
def test_a_key_opens_its_routes(path: str, expected: int) -> None:
    assert status("GET", path) == expected


@pytest.mark.parametrize("headers", [
    [],
    [(b"authorization", b"Bearer sk-other")],
    [(b"authorization", b"Bearer ")],
    [(b"authorization", b"\xff")],
    # LiteLLM would take the first of these two.
    [(b"x-litellm-api-key", b"sk-other"), *KEY],
    [(b"authorization", b"sk-other"), *KEY],
])  # fmt: skip
def test_without_a_known_key_nothing_is_open(headers: Headers) -> None:
    for path in ("/v1/models", "/nothing", "/metrics"):
        assert status("GET", path, headers) == 401


@pytest.mark.parametrize("path", [
    "/", "/docs", "/openapi.json", "/swagger/swagger-ui.css",
    "/health/liveliness", "/health/readiness", "/health/guard",
])  # fmt: skip
def test_health_and_docs_are_open_to_be_read(path: str) -> None:
    assert status("GET", path, []) == 200
    assert status("HEAD", path, []) == 200
    assert status("POST", path, []) == 401
    assert status("DELETE", path) == 403


@given(st.text(max_size=20), st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "X"]))
def test_any_other_path_is_closed(path: str, method: str) -> None:
    if not is_listed(path, ("/",)):
        assert status(method, path, []) == 401


def test_a_browser_may_ask_before_it_sends() -> None:
    asked: Headers = [(b"origin", b"https://x"), (b"access-control-request-method", b"POST")]
    assert status("OPTIONS", "/v1/chat/completions", asked) == 200
    assert status("GET", "/v1/chat/completions", asked) == 401
    assert status("OPTIONS", "/v1/chat/completions", asked[:1]) == 401


def test_a_websocket_is_closed() -> None:
    assert answer("", "/v1/realtime", kind="websocket") == {
        "type": "websocket.close",
        "code": 1008,
    }


@pytest.mark.parametrize(("name", "value"), [
    (b"authorization", b"Bearer sk-1"),
    (b"authorization", b"bearer  sk-1"),
    (b"authorization", b"sk-1"),
    (b"x-api-key", b"sk-1"),
    (b"api-key", b"sk-1"),
    (b"x-goog-api-key", b"sk-1"),
])  # fmt: skip
def test_a_key_is_taken_from_where_clients_put_it(name: bytes, value: bytes) -> None:
    assert api_key({"headers": [(name, value)]}) == "sk-1"
