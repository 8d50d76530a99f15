"""Model providers for the end-to-end tests: OpenAI, Anthropic and Gemini on one port.

    python3 server.py --port 8080

The path starts with the name of the deployment that is called, so that one server plays many:
`http://host:8080/<deployment>/v1/…` and `http://host:8080/<deployment>/v1beta/…`. The name is any
text without a slash; it need not be made known, and the answer's text says it. What a deployment
does is set with `PUT /_control/<deployment>` (see `Behaviour`), `GET` on the same path returns the
calls it has seen (see `Call`), and `DELETE /_control` forgets everything.

It is one file because it is copied as it is into a container that has LiteLLM in it: only FastAPI,
pydantic, uvicorn and the standard library may be imported here.
"""

import argparse
import asyncio
import hashlib
import itertools
import json
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Send

Json: TypeAlias = dict[str, Any]
Protocol: TypeAlias = Literal["openai", "anthropic", "gemini"]


class ToolCall(BaseModel):
    """A tool of the caller that a deployment wants to be run."""

    name: str
    arguments: Json

    @property
    def text(self) -> str:
        return json.dumps(self.arguments)


class Behaviour(BaseModel):
    """What a deployment does; every `PUT` replaces all of it."""

    model_config = ConfigDict(extra="forbid")

    status: Literal[200, 400, 401, 429, 500, 503] = 200
    delay_seconds: float = Field(default=0, ge=0)
    chunk_delay_seconds: float = Field(default=0, ge=0)
    # Streams only: the connection is closed after this many words of the answer.
    die_after_chunks: int | None = Field(default=None, ge=0)
    # Reported instead of the words of the prompt and of the answer.
    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    context_window: int | None = Field(default=None, ge=0)
    # Whether it says what an answer used.
    counts: bool = True
    # Otherwise a stream that is asked for with `stream_options` is an error.
    takes_stream_options: bool = True
    # Called once: whoever offers the tool, and sends no result of it yet, is asked to run it.
    tool_call: ToolCall | None = None
    # It knows chat completions alone: any other path is not found.
    chat_only: bool = False


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Call(BaseModel):
    """A call as it was received, and what became of it."""

    protocol: Protocol
    path: str
    model: str
    stream: bool
    headers: dict[str, str]
    api_key: str | None
    body: Json
    # True once the whole answer was handed to a client that was still there.
    answered: bool = False
    # What a real provider would bill: set for an answer that was cut too, None after an error.
    usage: Usage | None = None


@dataclass(frozen=True)
class Answer:
    model: str
    text: str
    usage: Usage
    body: Json
    tool_call: ToolCall | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def chunks(self) -> list[str]:
        first, *rest = self.text.split()
        return [first, *(f" {word}" for word in rest)]


@dataclass(frozen=True)
class Stream:
    """The events of a streamed answer: one chunk for each word, and what comes around them."""

    opening: list[Json]
    chunks: list[Json]
    closing: list[Json]
    end: str = ""


# --- OpenAI


def openai_usage(usage: Usage) -> Json:
    return {**usage.model_dump(), "total_tokens": usage.total_tokens}


def openai_chat(answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": answer.text}
    if answer.tool_call:
        message = {"role": "assistant", "content": None, "tool_calls": [openai_call(answer)]}
    return {
        "id": f"chatcmpl-{answer.id}",
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "finish_reason": openai_finish(answer)}],
        "usage": openai_usage(answer.usage),
    }


def openai_finish(answer: Answer) -> str:
    return "tool_calls" if answer.tool_call else "stop"


def openai_call(answer: Answer) -> Json:
    assert answer.tool_call
    function = {"name": answer.tool_call.name, "arguments": answer.tool_call.text}
    return {"id": f"call_{answer.id}", "type": "function", "function": function}


def openai_chat_stream(answer: Answer) -> Stream:
    def event(choices: list[Json], usage: Json | None = None) -> Json:
        varying = {"object": "chat.completion.chunk", "choices": choices, "usage": usage}
        return openai_chat(answer) | varying

    def delta(content: Json, finish_reason: str | None = None) -> Json:
        return event([{"index": 0, "delta": content, "finish_reason": finish_reason}])

    closing = [delta({}, openai_finish(answer))]
    if (answer.body.get("stream_options") or {}).get("include_usage"):
        closing.append(event([], openai_usage(answer.usage)))
    return Stream(
        opening=[delta({"role": "assistant", "content": ""})],
        chunks=[delta({"tool_calls": [{"index": 0, **openai_call(answer)}]})]
        if answer.tool_call
        else [delta({"content": text}) for text in answer.chunks],
        closing=closing,
        end="data: [DONE]\n\n",
    )


def openai_response(answer: Answer) -> Json:
    message: Json = {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": answer.text, "annotations": []}],
    }
    if answer.tool_call:
        message = {
            "id": f"fc_{answer.id}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{answer.id}",
            "name": answer.tool_call.name,
            "arguments": answer.tool_call.text,
        }
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": answer.created,
        "status": "completed",
        "model": answer.model,
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {**input_output(answer.usage), "total_tokens": answer.usage.total_tokens},
    }


def openai_response_stream(answer: Answer) -> Stream:
    completed = openai_response(answer)
    created = completed | {"status": "in_progress", "output": [], "usage": None}
    [message] = completed["output"]
    empty: Json = {"arguments": ""} if answer.tool_call else {"content": []}
    started = message | {"status": "in_progress"} | empty
    place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    number = itertools.count()

    def event(kind: str, content: Json) -> Json:
        return {"type": f"response.{kind}", "sequence_number": next(number), **content}

    return Stream(
        opening=[
            event("created", {"response": created}),
            event("output_item.added", {"output_index": 0, "item": started}),
        ],
        chunks=[event("function_call_arguments.delta", {**place, "delta": message["arguments"]})]
        if answer.tool_call
        else [event("output_text.delta", {**place, "delta": text}) for text in answer.chunks],
        closing=[
            event("output_item.done", {"output_index": 0, "item": message}),
            event("completed", {"response": completed}),
        ],
    )


def openai_embeddings(answer: Answer) -> Json:
    given = answer.body.get("input", "")
    texts = given if isinstance(given, list) else [given]
    tokens = answer.usage.prompt_tokens
    return {
        "object": "list",
        "model": answer.model,
        "data": [
            {"object": "embedding", "index": index, "embedding": vector(str(text))}
            for index, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def vector(text: str) -> list[float]:
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()]


# --- Anthropic


def input_output(usage: Usage) -> Json:
    return {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}


def anthropic_content(answer: Answer) -> Json:
    if answer.tool_call is None:
        return {"type": "text", "text": answer.text}
    called = answer.tool_call.model_dump()
    return {
        "type": "tool_use",
        "id": f"toolu_{answer.id}",
        "name": called["name"],
        "input": called["arguments"],
    }


def anthropic_stop(answer: Answer) -> str:
    return "tool_use" if answer.tool_call else "end_turn"


def anthropic_message(answer: Answer) -> Json:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [anthropic_content(answer)],
        "stop_reason": anthropic_stop(answer),
        "stop_sequence": None,
        "usage": input_output(answer.usage),
    }


def anthropic_stream(answer: Answer) -> Stream:
    # The true protocol counts the prompt and a first token of the answer before it answers.
    counted = {"input_tokens": answer.usage.prompt_tokens, "output_tokens": 1}
    start = anthropic_message(answer) | {"content": [], "stop_reason": None, "usage": counted}
    end = {
        "delta": {"stop_reason": anthropic_stop(answer), "stop_sequence": None},
        "usage": {"output_tokens": answer.usage.completion_tokens},
    }

    def block(kind: str, content: Json) -> Json:
        return {"type": f"content_block_{kind}", "index": 0, **content}

    def delta(text: str) -> Json:
        return block("delta", {"delta": {"type": "text_delta", "text": text}})

    empty: Json = {"input": {}} if answer.tool_call else {"text": ""}
    chunks = [delta(text) for text in answer.chunks]
    if answer.tool_call:
        arguments = {"type": "input_json_delta", "partial_json": answer.tool_call.text}
        chunks = [block("delta", {"delta": arguments})]
    return Stream(
        opening=[
            {"type": "message_start", "message": start},
            block("start", {"content_block": anthropic_content(answer) | empty}),
            {"type": "ping"},
        ],
        chunks=chunks,
        closing=[block("stop", {}), {"type": "message_delta", **end}, {"type": "message_stop"}],
    )


# --- Gemini


def gemini_event(answer: Answer, text: str, *, end: bool) -> Json:
    usage = answer.usage
    candidate: Json = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    counted = {"promptTokenCount": usage.prompt_tokens, "totalTokenCount": usage.prompt_tokens}
    if end:
        candidate["finishReason"] = "STOP"
        counted["candidatesTokenCount"] = usage.completion_tokens
        counted["totalTokenCount"] = usage.total_tokens
    return {
        "candidates": [candidate],
        "usageMetadata": counted,
        "modelVersion": answer.model,
        "responseId": answer.id,
    }


def gemini_answer(answer: Answer) -> Json:
    return gemini_event(answer, answer.text, end=True)


def gemini_stream(answer: Answer) -> Stream:
    return Stream(
        opening=[],
        chunks=[gemini_event(answer, text, end=False) for text in answer.chunks],
        closing=[gemini_event(answer, "", end=True)],
    )


# --- Errors

# By status: OpenAI's type and code, Anthropic's type, Gemini's status.
ERRORS = {
    400: ("invalid_request_error", None, "invalid_request_error", "INVALID_ARGUMENT"),
    401: ("invalid_request_error", "invalid_api_key", "authentication_error", "UNAUTHENTICATED"),
    429: ("requests", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    500: ("server_error", None, "api_error", "INTERNAL"),
    503: ("server_error", None, "overloaded_error", "UNAVAILABLE"),
}
# LiteLLM knows this error by its words alone, so they are the providers' own.
TOO_LONG: dict[Protocol, str] = {
    "openai": "This model's maximum context length is {limit} tokens."
    " However, your messages resulted in {tokens} tokens.",
    "anthropic": "prompt is too long: {tokens} tokens > {limit} maximum",
    "gemini": "The input token count ({tokens}) exceeds the maximum number of tokens allowed"
    " ({limit}).",
}


def refusal(protocol: Protocol, behaviour: Behaviour, tokens: int) -> Response | None:
    limit, status = behaviour.context_window, behaviour.status
    if status != 200:
        return JSONResponse(error(protocol, status, HTTPStatus(status).phrase), status)
    if limit is not None and tokens > limit:
        message = TOO_LONG[protocol].format(tokens=tokens, limit=limit)
        return JSONResponse(error(protocol, 400, message, "context_length_exceeded"), 400)
    return None


def error(protocol: Protocol, status: int, message: str, code: str | None = None) -> Json:
    openai_type, openai_code, anthropic_type, gemini_status = ERRORS[status]
    code = code or openai_code
    bodies: dict[Protocol, Json] = {
        "openai": {"error": {"message": message, "type": openai_type, "param": None, "code": code}},
        "anthropic": {"type": "error", "error": {"type": anthropic_type, "message": message}},
        "gemini": {"error": {"code": status, "message": message, "status": gemini_status}},
    }
    return bodies[protocol]


# --- What is served


@dataclass(frozen=True)
class Endpoint:
    protocol: Protocol
    path: str
    prompt: tuple[str, ...]
    plain: Callable[[Answer], Json]
    stream: Callable[[Answer], Stream] | None
    # What a call gets that does not say: in Gemini the path decides, not the body.
    streams: bool = False


CHAT = Endpoint("openai", "/v1/chat/completions", ("messages",), openai_chat, openai_chat_stream)
RESPONSES = Endpoint(
    "openai", "/v1/responses", ("instructions", "input"), openai_response, openai_response_stream
)
EMBEDDINGS = Endpoint("openai", "/v1/embeddings", ("input",), openai_embeddings, None)
ANTHROPIC = Endpoint(
    "anthropic", "/v1/messages", ("system", "messages"), anthropic_message, anthropic_stream
)
GEMINI = Endpoint(
    "gemini",
    "/v1beta/models/{model}:generateContent",
    ("systemInstruction", "system_instruction", "contents"),
    gemini_answer,
    gemini_stream,
)
GEMINI_STREAM = replace(GEMINI, path="/v1beta/models/{model}:streamGenerateContent", streams=True)


@dataclass
class Deployment:
    behaviour: Behaviour = field(default_factory=Behaviour)
    calls: list[Call] = field(default_factory=list)


class CutError(Exception):
    pass


class CuttableResponse(StreamingResponse):
    """Uvicorn closes the connection of a response that returns before it is complete."""

    async def stream_response(self, send: Send) -> None:
        with suppress(CutError):
            await super().stream_response(send)


app = FastAPI()
deployments: defaultdict[str, Deployment] = defaultdict(Deployment)


@app.put("/_control/{deployment}", status_code=204)
async def set_behaviour(deployment: str, behaviour: Behaviour) -> None:
    deployments[deployment].behaviour = behaviour


@app.get("/_control/{deployment}")
async def get_calls(deployment: str) -> list[Call]:
    return deployments[deployment].calls


@app.delete("/_control", status_code=204)
async def forget_everything() -> None:
    deployments.clear()


@app.get("/{deployment}/v1/models")
async def list_models(deployment: str) -> Json:
    model = {"id": deployment, "object": "model", "created": 0, "owned_by": "tests"}
    return {"object": "list", "data": [model]}


def handler(endpoint: Endpoint) -> Callable[[str, Request], Awaitable[Response]]:
    async def handle(deployment: str, request: Request) -> Response:
        call = received(endpoint, request, await request.json())
        behaviour = deployments[deployment].behaviour
        deployments[deployment].calls.append(call)
        await asyncio.sleep(behaviour.delay_seconds)
        if behaviour.chat_only and endpoint is not CHAT:
            return JSONResponse({"detail": "Not Found"}, HTTPStatus.NOT_FOUND)
        text = f"answer from {deployment}"
        usage = count(endpoint, behaviour, call.body, text)
        if refused := refusal(endpoint.protocol, behaviour, usage.prompt_tokens):
            return refused
        if "stream_options" in call.body and not behaviour.takes_stream_options:
            message = "Extra inputs are not permitted: stream_options"
            return JSONResponse(error(endpoint.protocol, 400, message), 400)
        call.usage = usage
        answer = Answer(call.model, text, usage, call.body, wanted_tool(behaviour, call.body))
        if call.stream and endpoint.stream:
            events = played(endpoint.stream(answer), behaviour, call)
            return CuttableResponse(events, media_type="text/event-stream")
        call.answered = not await request.is_disconnected()
        return JSONResponse(told(endpoint.plain(answer), behaviour))

    return handle


def wanted_tool(behaviour: Behaviour, body: Json) -> ToolCall | None:
    """The tool to be called, where it is offered and has no result yet."""
    tools = [tool.get("function", tool).get("name") for tool in body.get("tools") or ()]
    said = json.dumps([body.get("messages"), body.get("input")])
    results = ('"tool_result"', '"function_call_output"', '"role": "tool"')
    wanted = behaviour.tool_call
    if wanted is None or wanted.name not in tools or any(result in said for result in results):
        return None
    return wanted


def received(endpoint: Endpoint, request: Request, body: Json) -> Call:
    headers = dict(request.headers)
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return Call(
        protocol=endpoint.protocol,
        path=request.url.path,
        model=request.path_params.get("model") or body["model"],
        stream=bool(body.get("stream", endpoint.streams)),
        headers=headers,
        api_key=headers.get("x-api-key") or headers.get("x-goog-api-key") or bearer or None,
        body=body,
    )


def count(endpoint: Endpoint, behaviour: Behaviour, body: Json, text: str) -> Usage:
    prompt, completion = behaviour.prompt_tokens, behaviour.completion_tokens
    if prompt is None:
        prompt = sum(words(body.get(key)) for key in endpoint.prompt)
    if completion is None:
        completion = words(text)
    completion = min(completion, longest(body)) if endpoint.stream else 0
    return Usage(prompt_tokens=prompt, completion_tokens=completion)


def longest(body: Json) -> int:
    """Tokens that the caller wants at most; whoever asks for less pays for less."""
    config = body.get("generationConfig") or {}
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    limits = [body.get(name) for name in names] + [config.get("maxOutputTokens")]
    return min((limit for limit in limits if limit), default=sys.maxsize)


def words(prompt: object) -> int:
    """The words of a prompt in any of the protocols: text is nested under the same few keys."""
    if isinstance(prompt, str):
        return len(prompt.split())
    if isinstance(prompt, list):
        return sum(words(part) for part in prompt)
    if isinstance(prompt, dict):
        return sum(words(prompt.get(key)) for key in ("content", "parts", "text"))
    return 0


async def played(stream: Stream, behaviour: Behaviour, call: Call) -> AsyncIterator[str]:
    for event in stream.opening:
        yield sse(told(event, behaviour))
    for number, event in enumerate(stream.chunks):
        await pace(behaviour, number)
        yield sse(told(event, behaviour))
    await pace(behaviour, len(stream.chunks))
    for event in stream.closing:
        yield sse(told(event, behaviour))
    yield stream.end
    call.answered = True


def told(event: Json, behaviour: Behaviour) -> Json:
    """An event with its counts, or without any."""
    return event if behaviour.counts else uncounted(event)


def uncounted(value: Any) -> Any:
    if isinstance(value, list):
        return [uncounted(item) for item in value]
    if not isinstance(value, dict):
        return value
    counts = ("usage", "usageMetadata")
    return {name: uncounted(item) for name, item in value.items() if name not in counts}


async def pace(behaviour: Behaviour, sent: int) -> None:
    if behaviour.die_after_chunks == sent:
        raise CutError
    await asyncio.sleep(behaviour.chunk_delay_seconds)


def sse(event: Json) -> str:
    """Only the protocols whose events have a type name it outside of the data, too."""
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


for endpoint in (CHAT, RESPONSES, EMBEDDINGS, ANTHROPIC, GEMINI, GEMINI_STREAM):
    app.post("/{deployment}" + endpoint.path)(handler(endpoint))


def main() -> None:
    parser = argparse.ArgumentParser(description="Model providers for the end-to-end tests.")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(
        app,
        **vars(options),
        log_level="warning",
        # A call that sleeps must not keep the container from stopping.
        timeout_graceful_shutdown=1,
        # Clients reuse idle connections: closing one early would fail a call that no test let fail.
        timeout_keep_alive=600,
    )


if __name__ == "__main__":
    main()
