"""A body is parsed once and strictly, and what LiteLLM would stumble over never reaches it."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi.body_limit import Message, Receive, Scope, Send
from gateway.json_body import JsonBody, is_checked, parse
from gateway.request_policy import RequestError

JSON = "application/json; charset=utf-8"


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(("body", "words"), [
    (b"", "not valid JSON"),
    (b"x", "not valid JSON: Expecting value (line 1, column 1)."),
    (b'{"a": 1,}', "not valid JSON"),
    (b'{"a": 1', "not valid JSON"),
    (b"[]", "must be a JSON object."),
    (b'"x"', "must be a JSON object."),
    (b"null", "must be a JSON object."),
    (b'{"a": NaN}', "NaN is not a number."),
    (b'{"a": -Infinity}', "-Infinity is not a number."),
    (b'{"a": 1e999}', "too large."),
    (b'{"a": 18446744073709551616}', "too large."),
    (b'{"a": -9223372036854775809}', "too large."),
    (b'{"a": ' + b"9" * 5000 + b"}", "too large."),
    (b'{"a": 1, "b": {"c": 1, "c": 2}}', "`c` is in one object twice."),
    (b'{"no-log": true, "no-log": false}', "`no-log` is in one object twice."),
    (b'{"a": "\xff"}', "not in UTF-8."),
    ('{"a": 1}'.encode("utf-16"), "not in UTF-8."),
    (rb'{"a": "\ud800"}', "half of a character"),
    (rb'{"a": {"\uDC00": 1}}', "half of a character"),
    (nested(101), "nested deeper than 100 levels."),
    (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 100 levels."),
])  # fmt: skip
def test_a_malformed_body_is_refused_in_one_sentence(body: bytes, words: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse(body, content_type=JSON)
    assert words in str(refused.value)
    assert str(refused.value).endswith(".")
    assert len(str(refused.value)) < 120


def test_of_a_million_names_the_one_that_is_there_twice_is_named() -> None:
    names = [*map(str, range(1_000_000)), "z", "z"]
    body = "{" + ",".join(f'"{name}":1' for name in names) + "}"
    with pytest.raises(RequestError, match="`z` is in one object twice"):
        parse(body.encode())


@pytest.mark.parametrize("body", [
    b"{}",
    nested(100),
    b'\xef\xbb\xbf{"a": 1}',
    rb'{"a": "\ud83d\ude00"}',
    b'{"a": 18446744073709551615, "b": -9223372036854775808}',
])  # fmt: skip
def test_a_body_may_be_unusual(body: bytes) -> None:
    assert parse(body, content_type=JSON) == json.loads(body.decode("utf-8-sig"))


@pytest.mark.parametrize("content_type", [
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
])  # fmt: skip
def test_a_form_is_no_json(content_type: str) -> None:
    with pytest.raises(RequestError, match="must be JSON"):
        parse(b'{"a": 1}', content_type=content_type)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-protobuf"])
def test_json_is_read_under_any_other_name(content_type: str) -> None:
    assert parse(b'{"a": 1}', content_type=content_type) == {"a": 1}


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9) | FLOATS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@given(st.dictionaries(st.text(max_size=9), JSON_VALUES, max_size=3))
def test_whatever_is_json_is_read_as_it_is(body: dict[str, Any]) -> None:
    assert parse(json.dumps(body).encode()) == body


@given(st.binary())
def test_whatever_is_not_is_refused(body: bytes) -> None:
    with suppress(RequestError):
        assert isinstance(parse(body), dict)


# --- In front of LiteLLM


class LiteLLM:
    """What the application behind the check gets, and would use."""

    def __init__(self) -> None:
        self.scope: Scope = {}
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}", "more_body": False})


def ask(
    path: str, *chunks: bytes, method: str = "POST", cache_seconds: int | None = None
) -> tuple[LiteLLM, int, Any]:
    """What LiteLLM got, and what the caller gets."""
    litellm = LiteLLM()
    unread = list(chunks)
    sent: list[Message] = []

    async def receive() -> Message:
        chunk = unread.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(unread)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(JsonBody(litellm, cache_seconds=cache_seconds)(scope, receive, send))
    return litellm, sent[0]["status"], json.loads(sent[1]["body"])


HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions"])
def test_litellm_gets_the_body_that_was_checked(path: str) -> None:
    sent = json.dumps(HELLO | {"client_metadata": {}, "cache": {"ttl": 10**8}}).encode()
    litellm, status, _ = ask(path, sent[:9], sent[9:], cache_seconds=60)
    clean = HELLO | {"cache": {"ttl": 60}}
    assert status == 200
    assert json.loads(litellm.body) == clean
    assert litellm.scope["parsed_body"] == (tuple(clean), clean)
    assert litellm.scope["cloudfreedom.dropped"] == ("client_metadata",)


@pytest.mark.parametrize(("path", "error"), [
    ("/v1/chat/completions", {"error": {
        "message": "`messages` must be a list of objects.", "type": "invalid_request_error",
        "param": "messages", "code": "400"}}),
    ("/v1/messages", {"type": "error", "error": {
        "type": "invalid_request_error", "message": "`messages` must be a list of objects."}}),
    ("/v1/messages/count_tokens", {"type": "error", "error": {
        "type": "invalid_request_error", "message": "`messages` must be a list of objects."}}),
])  # fmt: skip
def test_a_malformed_body_never_reaches_litellm(path: str, error: dict[str, Any]) -> None:
    litellm, status, answer = ask(path, b'{"model": "m", "messages": "x"}')
    assert (status, answer, litellm.scope) == (400, error, {})


def test_others_are_answered_while_a_large_body_is_checked() -> None:
    turns_of_others = 0
    when_answered: list[int] = []

    async def others() -> None:
        nonlocal turns_of_others
        while True:
            await asyncio.sleep(0)
            turns_of_others += 1

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        when_answered.append(turns_of_others)

    async def receive() -> Message:
        long = {"model": "m", "messages": [{"role": "user", "content": "x" * 2_000_000}]}
        return {"type": "http.request", "body": json.dumps(long).encode(), "more_body": False}

    async def send(_message: Message) -> None:
        pytest.fail("it was refused")

    async def together() -> None:
        working = asyncio.create_task(others())
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
        await JsonBody(app, cache_seconds=None)(scope, receive, send)
        working.cancel()

    asyncio.run(together())
    assert when_answered[0] > 0


@pytest.mark.parametrize("body", [
    b'{"a": "' + b"x" * 2_000_000, b'{"a": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
])  # fmt: skip
def test_a_large_malformed_body_is_refused(body: bytes) -> None:
    litellm, status, answer = ask("/v1/chat/completions", body)
    assert (status, litellm.scope) == (400, {})
    assert answer["error"]["message"].endswith(".")


@pytest.mark.parametrize(("path", "method"), [
    ("/v1/audio/transcriptions", "POST"), ("/v1/models", "GET"), ("/health/guard", "POST"),
])  # fmt: skip
def test_other_requests_pass(path: str, method: str) -> None:
    litellm, status, _ = ask(path, b"not JSON", method=method)
    assert (status, litellm.body) == (200, b"not JSON")
    assert not is_checked(litellm.scope)
