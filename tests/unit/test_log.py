"""The log has one line for each failure, and no words of any request."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from asgi.body_limit import App, Message, Receive, Scope, Send
from gateway import log
from gateway.errors import PlainErrors
from gateway.failure import error_body

MARKER = "MARKED-WORDS"
LITELLM = logging.getLogger("LiteLLM Proxy")
Lines = list[dict[str, Any]]


class Written:
    """What the container would write."""

    def __init__(self) -> None:
        self.stdout = io.StringIO()

    @property
    def text(self) -> str:
        return self.stdout.getvalue()

    @property
    def lines(self) -> Lines:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.stdout, sys.stderr
    written = Written()
    monkeypatch.setattr(log, "_stdout", written.stdout)
    monkeypatch.setattr(log._Handler, "quiet", False)
    log.take_over()
    log.keep_quiet()
    try:
        yield written
    finally:
        root.handlers[:], root.level, sys.stdout, sys.stderr = before
        log._Handler.quiet = False


async def respond(send: Send, status: int, body: object, content_type: bytes = b"") -> None:
    headers = [
        (b"content-type", content_type or b"application/json"),
        (b"x-litellm-version", b"1.108.11"),
        (b"x-litellm-model-api-base", b"http://10.0.0.7"),
        (b"llm_provider-openai-organization", b"org"),
        (b"retry-after", b"5"),
    ]
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    await send({"type": "http.response.start", "status": status, "headers": headers})
    half = len(text) // 2
    await send({"type": "http.response.body", "body": text[:half], "more_body": True})
    await send({"type": "http.response.body", "body": text[half:], "more_body": False})


def run(app: App, **scope: object) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    whole = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    asyncio.run(PlainErrors(app)({**whole, **scope}, receive, send))
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


def test_a_failure_is_one_line_without_words(written: Written) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            raise RuntimeError(MARKER)
        except RuntimeError as error:
            LITELLM.exception("it failed: %s", MARKER)
            LITELLM.error("it failed %s", error)
            print(MARKER)
            print(MARKER, file=sys.stderr)
        message = f"litellm.InternalServerError: OpenAIException - {MARKER}"
        await respond(send, 500, {"error": {"message": message}})

    status, headers, body = run(app)
    assert status == 500
    assert MARKER not in body.decode()
    assert headers == {
        b"retry-after": b"5",
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
    }
    (line,) = written.lines
    assert (line["event"], line["status"], line["path"]) == ("failed", 500, "/v1/chat/completions")
    assert line["errors"] == ["RuntimeError", "RuntimeError"]
    assert MARKER not in written.text


@pytest.mark.usefixtures("written")
def test_the_report_on_health_says_what_is_wrong() -> None:
    report = {"loaded": True, "redis": "Redis is full", "billing": "answers"}

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 503, report)

    status, _, body = run(app, method="GET", path="/health/guard")
    assert (status, json.loads(body)) == (503, report)


def test_an_exception_that_nobody_caught_is_one_line_too(written: Written) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError(MARKER)

    status, _, body = run(app)
    assert (status, json.loads(body)["error"]["type"]) == (500, "server_error")
    (line,) = written.lines
    assert line["errors"] == ["LookupError"]
    assert MARKER not in written.text


def test_a_refusal_that_was_written_is_not_written_again(written: Written) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        log.write("refused", reason="budget_exceeded")
        LITELLM.error(MARKER)
        await respond(send, 402, {"error": {"message": "No.", "type": "budget_exceeded"}})

    assert run(app)[0] == 402
    assert written.lines == [{"event": "refused", "reason": "budget_exceeded"}]


def test_what_was_answered_is_not_written_unless_something_failed(written: Written) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/mended":
            LITELLM.error(MARKER, exc_info=TimeoutError(MARKER))
        await respond(send, 200, {"choices": []})

    assert run(app) == (
        200,
        {b"content-type": b"application/json", b"retry-after": b"5"},
        b'{"choices": []}',
    )
    assert not written.text
    run(app, path="/mended")
    (line,) = written.lines
    assert (line["event"], line["errors"]) == ("recovered", ["TimeoutError"])
    assert MARKER not in written.text


def test_an_error_within_a_stream_is_plain(written: Written) -> None:
    message = f"litellm.APIConnectionError: OpenAIException - {MARKER}\n\nTraceback (most recent"
    error = json.dumps({"error": {"message": message, "type": None, "code": "500"}})
    words = json.dumps({"choices": [{"delta": {"content": 'an "error" is a word'}}]})

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        kind = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        for event in (words, error):
            body = f"data: {event}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    _, _, body = run(app)
    first, second, _ = body.decode().split("\n\n")
    assert first == f"data: {words}"
    told = json.loads(second.removeprefix("data: "))["error"]
    assert told["message"] == "The provider (OpenAI) cannot be reached. Try again later."
    (line,) = written.lines
    assert line["event"] == "failed"


def test_a_stream_that_breaks_is_closed(written: Written) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError(MARKER)

    with pytest.raises(ConnectionAbortedError):
        run(app)
    assert MARKER not in written.text


def test_what_was_dropped_is_named(written: Written) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scope["cloudfreedom.dropped"] = ("client_metadata", "ä")
        await respond(send, 200, {})

    _, headers, _ = run(app)
    assert headers[b"x-cloudfreedom-dropped"] == "client_metadata, ä".encode("latin-1")
    assert not written.text


def test_before_it_serves_the_log_says_everything(written: Written) -> None:
    log._Handler.quiet = False
    LITELLM.error("the configuration has no models\nand a second line")
    assert written.lines == [
        {
            "event": "error",
            "logger": "LiteLLM Proxy",
            "message": "the configuration has no models",
        }
    ]


def test_our_own_records_keep_their_words(written: Written) -> None:
    logging.getLogger("gateway.billing_health").warning("the Billing API %s", "answers")
    (line,) = written.lines
    assert (line["event"], line["message"]) == ("warning", "the Billing API answers")


def test_after_a_request_its_late_errors_are_written(written: Written) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 200, {})
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, lambda: LITELLM.error(MARKER, exc_info=OSError(MARKER)))
        scope["task"] = asyncio.create_task(asyncio.sleep(0.05))

    async def both() -> None:
        scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            pass

        await PlainErrors(app)(scope, receive, send)
        await scope["task"]

    asyncio.run(both())
    (line,) = written.lines
    assert line["error"] == "OSError"
    assert MARKER not in written.text


def test_the_gateways_own_refusal_keeps_its_words(written: Written) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 503, error_body(scope, 503, "The gateway is busy."))

    status, _, body = run(app)
    assert (status, json.loads(body)["error"]["message"]) == (503, "The gateway is busy.")
    assert [line["reason"] for line in written.lines] == ["gateway_busy"]
