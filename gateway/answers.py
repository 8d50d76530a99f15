"""The words of an answer, in whichever API's form it is."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

# Texts, thoughts, and what tools are called with.
_TEXTS = frozenset(
    {"text", "content", "reasoning_content", "thinking", "refusal", "arguments", "partial_json"}
)
_INNER = frozenset(
    {"choices", "message", "delta", "content", "output", "summary", "tool_calls", "function"}
)


def words_of(answer: object) -> str:
    """All of its words; nothing if it has none, or is no answer in words."""
    body = answer.model_dump() if isinstance(answer, BaseModel) else answer
    return " ".join(_texts(body))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name in _TEXTS and isinstance(item, str):
                yield item
            elif name == "input" and value.get("type") == "tool_use":
                yield str(item)
            elif name in _INNER:
                yield from _texts(item)
