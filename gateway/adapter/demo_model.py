"""The demonstration model: what a tenant has before it has a provider.

It answers like a provider, with tokens that are counted and cost money, so that chat, streaming,
limits and budgets can be seen without an account anywhere.
"""

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import litellm
from litellm.types.utils import (
    Choices,
    EmbeddingResponse,
    GenericStreamingChunk,
    Message,
    ModelResponse,
    Usage,
)

DIMENSIONS = 256  # a byte of a word's hash says which one counts it
SECONDS_PER_WORD = 0.02
LONGEST_QUOTE = 200

ANSWER = """\
I am the demonstration model of CloudFreedom. No provider is connected to this tenant yet, so \
this text is written by a small program and not by a language model.

You wrote: “{question}”

To get real answers, list a model under `litellm.models` in the tenant's file, give the stack the \
provider's key with `pulumi config set --secret --path providerKeys.openai …`, and run \
`pulumi up`. Until then everything else is real: your message went through the gateway, its \
tokens were counted, and they have a price."""


@dataclass(frozen=True)
class Answer:
    """A text, the reason why it ends (`stop` or `length`), and its tokens."""

    text: str
    finish_reason: str
    usage: Usage


class DemoModel(litellm.CustomLLM):  # type: ignore[misc]
    """Chat and embeddings, in the asynchronous form: the proxy calls no other."""

    async def acompletion(
        self,
        *,
        messages: list[dict[str, Any]],
        model_response: ModelResponse,
        optional_params: dict[str, Any],
        **_: Any,
    ) -> ModelResponse:
        """Answer at once."""
        answer = await asyncio.to_thread(_answer, messages, optional_params)
        message = Message(role="assistant", content=answer.text)
        choice = Choices(index=0, message=message, finish_reason=answer.finish_reason)
        model_response.choices = [choice]
        model_response.usage = answer.usage
        return model_response

    async def astreaming(
        self, *, messages: list[dict[str, Any]], optional_params: dict[str, Any], **_: Any
    ) -> AsyncIterator[GenericStreamingChunk]:
        """Answer word by word; the usage comes with the end."""
        answer = await asyncio.to_thread(_answer, messages, optional_params)
        for word in re.findall(r"\S+\s*", answer.text):
            yield _chunk(word)
            await asyncio.sleep(SECONDS_PER_WORD)
        yield _chunk("", answer)

    async def aembedding(
        self, *, input: str | list[Any], model_response: EmbeddingResponse, **_: Any
    ) -> EmbeddingResponse:
        """Turn each text into a vector."""
        texts = [input] if isinstance(input, str) else [str(text) for text in input]
        tokens = await asyncio.to_thread(_tokens, texts)
        model_response.data = [
            {"object": "embedding", "index": index, "embedding": embedding(text)}
            for index, text in enumerate(texts)
        ]
        model_response.usage = Usage(prompt_tokens=tokens, total_tokens=tokens)
        return model_response


def embedding(text: str) -> list[float]:
    """A vector of length 1 in which every word of the text counts: alike texts come out close."""
    counts = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()) or [text]:
        counts[hashlib.sha256(word.encode()).digest()[0]] += 1
    length = math.hypot(*counts)
    return [count / length for count in counts]


def _answer(messages: list[dict[str, Any]], params: dict[str, Any]) -> Answer:
    tokens = litellm.encode(text=ANSWER.format(question=_question(messages)))
    most = params.get("max_completion_tokens") or params.get("max_tokens") or len(tokens)
    prompt = litellm.token_counter(messages=messages)
    # A cut may fall into the middle of a character.
    text = litellm.decode(tokens=tokens[:most]).rstrip("\ufffd")
    return Answer(
        text=text,
        finish_reason="length" if most < len(tokens) else "stop",
        usage=_usage(prompt, len(tokens[:most])),
    )


def _question(messages: list[dict[str, Any]]) -> str:
    texts = [_text(message.get("content")) for message in messages if message["role"] == "user"]
    question = " ".join(texts[-1].split()) if texts else ""
    return question if len(question) <= LONGEST_QUOTE else f"{question[:LONGEST_QUOTE]}…"


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return content or ""


def _tokens(texts: Iterable[str]) -> int:
    return sum(litellm.token_counter(text=text) for text in texts)


def _usage(prompt: int, completion: int) -> Usage:
    return Usage(
        prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion
    )


def _chunk(text: str, end: Answer | None = None) -> GenericStreamingChunk:
    return GenericStreamingChunk(
        text=text,
        tool_use=None,
        is_finished=end is not None,
        finish_reason=end.finish_reason if end else "",
        usage=end.usage.model_dump() if end else None,
        index=0,
    )


demo_model = DemoModel()
