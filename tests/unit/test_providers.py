"""The providers of the end-to-end tests, spoken to as their clients do."""

import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from tests.providers import server
from tests.providers.client import Deployment, Providers

Json = dict[str, Any]


@dataclass(frozen=True)
class Client:
    """A protocol as its client speaks it; every prompt has four words, two in each place."""

    protocol: server.Protocol
    path: str
    prompt: Json
    key_header: str
    # Where the text, the usage, a piece of a streamed text and the end's usage are to be found.
    text: str
    usage: str
    delta: str
    final_usage: str
    expected_usage: Json

    def stream_path(self) -> str:
        return self.path.replace(":generateContent", ":streamGenerateContent?alt=sse")

    def stream_body(self) -> Json:
        if self.protocol == "gemini":
            return self.prompt
        return {**self.prompt, "stream": True, "stream_options": {"include_usage": True}}


USER = [{"role": "user", "content": [{"type": "text", "text": "you do"}]}]
CLIENTS = {
    "chat": Client(
        protocol="openai",
        path="/v1/chat/completions",
        prompt={"model": "m", "messages": [{"role": "system", "content": "how do"}, *USER]},
        key_header="Authorization",
        text="choices.0.message.content",
        usage="usage",
        delta="choices.0.delta.content",
        final_usage="usage",
        expected_usage={"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7},
    ),
    "responses": Client(
        protocol="openai",
        path="/v1/responses",
        prompt={"model": "m", "instructions": "how do", "input": "you do"},
        key_header="Authorization",
        text="output.0.content.0.text",
        usage="usage",
        delta="delta",
        final_usage="response.usage",
        expected_usage={"input_tokens": 4, "output_tokens": 3, "total_tokens": 7},
    ),
    "anthropic": Client(
        protocol="anthropic",
        path="/v1/messages",
        prompt={"model": "m", "max_tokens": 9, "system": "how do", "messages": USER},
        key_header="X-Api-Key",
        text="content.0.text",
        usage="usage",
        delta="delta.text",
        final_usage="usage",
        expected_usage={"input_tokens": 4, "output_tokens": 3},
    ),
    "gemini": Client(
        protocol="gemini",
        path="/v1beta/models/m:generateContent",
        prompt={
            "system_instruction": {"parts": [{"text": "how do"}]},
            "contents": [{"role": "user", "parts": [{"text": "you do"}]}],
        },
        key_header="X-Goog-Api-Key",
        text="candidates.0.content.parts.0.text",
        usage="usageMetadata",
        delta="candidates.0.content.parts.0.text",
        final_usage="usageMetadata",
        expected_usage={"promptTokenCount": 4, "candidatesTokenCount": 3, "totalTokenCount": 7},
    ),
}
ERRORS: dict[int, dict[str, Json]] = {
    401: {
        "openai": {"error.type": "invalid_request_error", "error.code": "invalid_api_key"},
        "anthropic": {"type": "error", "error.type": "authentication_error"},
        "gemini": {"error.code": 401, "error.status": "UNAUTHENTICATED"},
    },
    429: {
        "openai": {"error.type": "requests", "error.code": "rate_limit_exceeded"},
        "anthropic": {"type": "error", "error.type": "rate_limit_error"},
        "gemini": {"error.code": 429, "error.status": "RESOURCE_EXHAUSTED"},
    },
    503: {
        "openai": {"error.type": "server_error", "error.code": None},
        "anthropic": {"type": "error", "error.type": "overloaded_error"},
        "gemini": {"error.code": 503, "error.status": "UNAVAILABLE"},
    },
}
TOO_LONG: dict[str, Json] = {
    "openai": {
        "error.code": "context_length_exceeded",
        "error.message": "This model's maximum context length is 3 tokens."
        " However, your messages resulted in 4 tokens.",
    },
    "anthropic": {
        "error.type": "invalid_request_error",
        "error.message": "prompt is too long: 4 tokens > 3 maximum",
    },
    "gemini": {
        "error.status": "INVALID_ARGUMENT",
        "error.message": "The input token count (4) exceeds the maximum number of tokens"
        " allowed (3).",
    },
}
each_client = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)


def at(path: str, value: Any) -> Any:
    """What is at a dotted path of a JSON value; None where the path ends early."""
    with suppress(KeyError, IndexError, TypeError):
        for step in path.split("."):
            value = value[int(step) if step.isdigit() else step]
        return value
    return None


@pytest.fixture(scope="module")
def started() -> Iterator[Providers]:
    port = free_port()
    command = [sys.executable, server.__file__, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command) as process:
        try:
            providers = Providers(f"http://127.0.0.1:{port}")
            wait_for(providers)
            yield providers
        finally:
            process.terminate()


def free_port() -> int:
    """Below the ephemeral range, where a client that reconnects could take it meanwhile."""
    while True:
        port = random.randrange(20000, 32768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(providers: Providers) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(httpx.ConnectError):
            return providers.reset()
        time.sleep(0.1)
    pytest.fail("the providers did not start")


@pytest.fixture
def blue(started: Providers) -> Deployment:
    started.reset()
    return started.deployment("blue")


def post(blue: Deployment, client: Client) -> httpx.Response:
    return httpx.post(blue.url + client.path, json=client.prompt, headers=headers(client))


def headers(client: Client) -> dict[str, str]:
    scheme = "Bearer " if client.key_header == "Authorization" else ""
    return {client.key_header: f"{scheme}hunter2"}


def stream(blue: Deployment, client: Client) -> Generator[Json, None, None]:
    url, body = blue.url + client.stream_path(), client.stream_body()
    with httpx.stream("POST", url, json=body, headers=headers(client)) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                yield json.loads(line.removeprefix("data: "))


@each_client
def test_a_plain_answer_says_who_answered_and_counts_words(
    blue: Deployment, client: Client
) -> None:
    answer = post(blue, client).raise_for_status().json()

    assert at(client.text, answer) == "answer from blue"
    assert at(client.usage, answer) == client.expected_usage


@each_client
def test_a_stream_ends_with_the_usage(blue: Deployment, client: Client) -> None:
    events = list(stream(blue, client))

    texts = [text for event in events if (text := at(client.delta, event))]
    usages = [usage for event in events if (usage := at(client.final_usage, event))]
    assert texts == ["answer", " from", " blue"]
    # Anthropic counts the prompt in the first event, and only the answer in the last.
    assert usages[-1].items() <= client.expected_usage.items()


@each_client
def test_calls_are_recorded_as_received(blue: Deployment, client: Client) -> None:
    post(blue, client)
    list(stream(blue, client))

    plain, streamed = blue.calls()
    assert (plain.stream, streamed.stream) == (False, True)
    assert (plain.body, streamed.body) == (client.prompt, client.stream_body())
    for call in (plain, streamed):
        assert (call.protocol, call.model, call.api_key) == (client.protocol, "m", "hunter2")
        assert call.headers[client.key_header.lower()].endswith("hunter2")
        assert call.path.startswith("/blue/v1")
        assert call.answered
        assert call.usage == server.Usage(prompt_tokens=4, completion_tokens=3)


@each_client
@pytest.mark.parametrize("status", ERRORS)
def test_errors_have_the_shape_of_their_protocol(
    blue: Deployment, client: Client, status: int
) -> None:
    blue.set(status=status)
    response = post(blue, client)

    expected = ERRORS[status][client.protocol]
    assert response.status_code == status
    assert {path: at(path, response.json()) for path in expected} == expected
    assert [(call.answered, call.usage) for call in blue.calls()] == [(False, None)]


@each_client
def test_a_prompt_may_be_too_long(blue: Deployment, client: Client) -> None:
    blue.set(context_window=4)
    assert post(blue, client).status_code == 200

    blue.set(context_window=3)
    response = post(blue, client)
    expected = TOO_LONG[client.protocol]
    assert response.status_code == 400
    assert {path: at(path, response.json()) for path in expected} == expected


@each_client
def test_a_stream_dies_in_the_middle(blue: Deployment, client: Client) -> None:
    blue.set(die_after_chunks=2)
    texts: list[str] = []
    with pytest.raises(httpx.RemoteProtocolError):
        texts.extend(at(client.delta, event) or "" for event in stream(blue, client))

    assert "".join(texts) == "answer from"
    assert not blue.calls()[0].answered


def test_a_client_that_leaves_is_not_answered(blue: Deployment) -> None:
    blue.set(chunk_delay_seconds=0.2)
    events = stream(blue, CLIENTS["chat"])
    next(events)
    events.close()
    time.sleep(1)

    assert not blue.calls()[0].answered


def test_usage_can_be_told(blue: Deployment) -> None:
    blue.set(prompt_tokens=1000, completion_tokens=500)

    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
    assert post(blue, CLIENTS["chat"]).json()["usage"] == usage


def test_a_deployment_can_be_slow(blue: Deployment) -> None:
    blue.set(delay_seconds=1)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{blue.url}/v1/chat/completions", json=CLIENTS["chat"].prompt, timeout=0.2)
    time.sleep(1.2)

    assert not blue.calls()[0].answered


def test_chat_streams_usage_only_when_asked(blue: Deployment) -> None:
    body = {**CLIENTS["chat"].prompt, "stream": True}
    response = httpx.post(f"{blue.url}/v1/chat/completions", json=body)

    assert '"total_tokens"' not in response.text
    assert response.text.endswith("data: [DONE]\n\n")


def test_embeddings_differ_by_text(blue: Deployment) -> None:
    body = {"model": "m", "input": ["how do", "you do"]}
    answer = httpx.post(f"{blue.url}/v1/embeddings", json=body).json()

    first, second = (item["embedding"] for item in answer["data"])
    assert len(first) == len(second) == 32
    assert first != second
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def test_the_model_of_a_deployment_has_its_name(blue: Deployment) -> None:
    [model] = httpx.get(f"{blue.url}/v1/models").json()["data"]

    assert model["id"] == "blue"


def test_deployments_are_apart_and_have_any_name(started: Providers, blue: Deployment) -> None:
    other = started.deployment("Ünder & über")
    other.set(status=500)

    assert post(blue, CLIENTS["chat"]).status_code == 200
    assert post(other, CLIENTS["chat"]).status_code == 500
    assert len(blue.calls()) == len(other.calls()) == 1

    started.reset()
    assert post(other, CLIENTS["chat"]).status_code == 200
    assert blue.calls() == []


def test_an_unknown_behaviour_is_refused(blue: Deployment) -> None:
    with pytest.raises(ValidationError, match="stauts"):
        blue.set(stauts=500)
