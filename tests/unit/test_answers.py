"""The words of an answer are found in every API's form, and nothing else is."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from gateway.answers import words_of

CHAT = {
    "id": "chatcmpl-1",
    "model": "gpt-4.1",
    "choices": [
        {
            "finish_reason": "stop",
            "message": {
                "role": "assistant",
                "content": "some words",
                "reasoning_content": "some thoughts",
                "tool_calls": [
                    {"id": "call", "function": {"name": "f", "arguments": '{"city": "Oslo"}'}}
                ],
            },
        }
    ],
}
TEXT = {"choices": [{"index": 0, "text": "some words", "finish_reason": "stop"}]}
MESSAGE = {
    "type": "message",
    "content": [
        {"type": "thinking", "thinking": "some thoughts", "signature": "c2ln"},
        {"type": "text", "text": "some words"},
        {"type": "tool_use", "id": "toolu", "name": "f", "input": {"city": "Oslo"}},
    ],
}
RESPONSE = {
    "id": "resp_1",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "some thoughts"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "some words"}]},
        {"type": "function_call", "name": "f", "arguments": '{"city": "Oslo"}'},
    ],
    "text": {"format": {"type": "text"}},
}


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize(("answer", "expected"), [
    (CHAT, 'some words some thoughts {"city": "Oslo"}'),
    (Answer.model_validate(CHAT), 'some words some thoughts {"city": "Oslo"}'),
    (TEXT, "some words"),
    (MESSAGE, "some thoughts some words {'city': 'Oslo'}"),
    (RESPONSE, 'some thoughts some words {"city": "Oslo"}'),
    ({"data": [{"embedding": [0.1, 0.2]}], "usage": {"text": "no"}}, ""),
    (None, ""), (b"sound", ""), ("text", ""), ([], ""),
])  # fmt: skip
def test_the_words_of_an_answer(answer: Any, expected: str) -> None:
    assert words_of(answer) == expected
