"""ASGI middleware that tells each failure in one sentence, and writes one line about it."""

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from asgi.body_limit import App, Message, Receive, Scope, Send
from gateway import log
from gateway.failure import body_of, content_of, plain
from gateway.request_policy import DROPPED

# LiteLLM's own: its version, the addresses of deployments, the account at a provider.
_HIDDEN = (b"x-litellm-version", b"x-litellm-model-api-base", b"llm_provider-")
_OF_THE_BODY = (b"content-length", b"content-encoding", b"content-type", b"transfer-encoding")

# The gateway's own report on what is wrong, which health checks and the doctor read.
_REPORT = "/health/guard"

_STATUSES = {status.value for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST}


class PlainErrors:
    """Answers each failure with one sentence, and writes one line about it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with log.request() as written:
            answer = _Answer(scope, send)
            started = time.monotonic()
            try:
                await self._app(scope, receive, answer.send)
            except Exception as error:  # noqa: BLE001 - whatever it is, its words stay here
                written.errors.append(type(error).__name__)
                await answer.fail()
            if answer.status >= HTTPStatus.BAD_REQUEST or written.errors:
                _write(scope, answer, written, time.monotonic() - started)


class _Answer:
    """An answer on its way to the caller."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._failing: Message | None = None
        self._body = bytearray()
        self._streams = False
        self.status = 0
        self.kind: str | None = None

    async def send(self, message: Message) -> None:
        """Send a part of it, or keep it until the whole error is there."""
        if message["type"] == "http.response.start":
            await self._start(message)
        elif self._failing:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._end_failure(self._failing)
        else:
            if self._streams:
                message = {**message, "body": self._plain_events(message.get("body", b""))}
            await self._send(message)

    async def fail(self) -> None:
        """End an answer that nobody else will."""
        if self.status == 0 or self._failing:
            await self._end_failure({"type": "http.response.start", "status": 500, "headers": []})
        else:
            # The connection is closed, so that the caller knows that it is not the end.
            raise ConnectionAbortedError

    async def _start(self, message: Message) -> None:
        self.status = message["status"]
        headers = [pair for pair in message.get("headers", ()) if not pair[0].startswith(_HIDDEN)]
        if dropped := self._scope.get(DROPPED):
            headers.append(
                (b"x-cloudfreedom-dropped", ", ".join(dropped).encode("latin-1", "replace"))
            )
        message = {**message, "headers": headers}
        if self.status >= HTTPStatus.BAD_REQUEST and self._scope["path"] != _REPORT:
            self._failing = message
            return
        kinds = [value for name, value in headers if name.lower() == b"content-type"]
        self._streams = any(kind.startswith(b"text/event-stream") for kind in kinds)
        await self._send(message)

    async def _end_failure(self, start: Message) -> None:
        failure = plain(start["status"], _parsed(bytes(self._body)))
        self._failing = None
        self.status, self.kind = failure.status, failure.kind
        body = body_of(failure, self._scope["path"])
        kept = [pair for pair in start["headers"] if pair[0].lower() not in _OF_THE_BODY]
        headers = [
            *kept,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await self._send({**start, "status": failure.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _plain_events(self, chunk: bytes) -> bytes:
        """Events of a stream, with an error among them as it may be shown."""
        if b'"error"' not in chunk:
            return chunk
        return b"\n".join(self._plain_line(line) for line in chunk.split(b"\n"))

    def _plain_line(self, line: bytes) -> bytes:
        data = _parsed(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else None
        if not isinstance(data, dict) or not _is_error(data):
            return line
        failure = plain(_status_in(data), data)
        self.status, self.kind = failure.status, failure.kind
        return b"data: " + json.dumps(content_of(failure, self._scope["path"])).encode()


def _is_error(event: Mapping[str, Any]) -> bool:
    return isinstance(event.get("error"), dict) or event.get("type") == "error"


def _status_in(event: Mapping[str, Any]) -> int:
    error = event.get("error")
    code = str((error if isinstance(error, dict) else event).get("code"))
    known = code.isdigit() and int(code) in _STATUSES
    return int(code) if known else HTTPStatus.INTERNAL_SERVER_ERROR


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return {}


def _write(scope: Scope, answer: _Answer, written: log.RequestLog, seconds: float) -> None:
    """One line, unless the guard has written what the matter was."""
    failed = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    refused = answer.status >= HTTPStatus.BAD_REQUEST and not failed
    if written.written and not failed:
        return
    log.write(
        "failed" if failed else "refused" if refused else "recovered",
        method=scope["method"],
        path=scope["path"][:200],
        status=answer.status,
        **({"reason": answer.kind} if answer.kind else {}),
        **({"errors": written.errors} if written.errors else {}),
        milliseconds=round(seconds * 1000),
    )
