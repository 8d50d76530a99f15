"""No request is set aside for as more than it may cost, or as less than it does."""

import base64
import json
import struct
import zlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.estimate import (
    SHORTEST_ANSWER,
    SHORTEST_THOUGHT_ANSWER,
    Estimate,
    Request,
    limit_answer,
)
from gateway.prices import dearest
from gateway.request_policy import PASSED, RequestError, validate_body
from gateway.tools import WITH_TOOLS

Json = dict[str, Any]

GPT_5: Json = {
    "key": "gpt-5", "model": "openai/gpt-5", "supports_reasoning": True,
    "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05,
    "max_input_tokens": 272_000, "max_output_tokens": 128_000,
}  # fmt: skip
GPT_5_2: Json = {**GPT_5, "key": "gpt-5.2", "model": "x", "default_reasoning_effort": "none"}
CLAUDE: Json = {
    "key": "claude-sonnet-4-5", "model": "anthropic/claude-sonnet-4-5", "supports_reasoning": True,
    "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
    "max_input_tokens": 200_000, "max_output_tokens": 64_000,
}  # fmt: skip
GEMINI: Json = {
    **GPT_5, "key": "gemini-2.5-pro", "model": "gemini/gemini-2.5-pro",
    "max_input_tokens": 1_048_576, "input_cost_per_audio_token": 1e-05,
}  # fmt: skip
GPT_4O_MINI: Json = {
    "key": "gpt-4o-mini", "model": "openai/gpt-4o-mini",
    "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
    "max_input_tokens": 128_000, "max_output_tokens": 16_384,
}  # fmt: skip

CALLS = {"messages": "acompletion", "prompt": "atext_completion", "input": "aresponses"}


def request(info: Json, body: Json, call_type: str | None = None) -> Request:
    call_type = call_type or next(call for name, call in CALLS.items() if name in body)
    return Request(call_type=call_type, body=body, model=dearest([info]), markup_percent=Decimal(0))


def bound(info: Json, body: Json, call_type: str | None = None) -> Estimate:
    return request(info, body, call_type).bound()


def chat(*parts: object, **more: Any) -> Json:
    content = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else list(parts)
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 100, **more}


def picture(width: int, height: int) -> str:
    """A PNG, in base64."""
    rows = zlib.compress(b"\0" * (width + 1) * min(height, 2))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", rows)]
    png = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + png).decode()


def photo(width: int, height: int) -> str:
    """The beginning of a JPEG, in base64."""
    segments = [b"\xff\xe1" + struct.pack(">H", 3000) + b"x" * 2998]
    segments.append(b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"x" * 9)
    return base64.b64encode(b"\xff\xd8" + b"".join(segments)).decode()


def image(data: str, kind: str = "image/png", **more: Any) -> Json:
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}", **more}}


# --- Words

WORDS = ["document", "file", "audio", "video", "input_file", "image_url", "conversation", "file_id"]
TEXT_FILE = "data:text/plain;base64,aGk="
UNSEEN: list[Json] = [
    chat({"type": "file", "file": {"file_id": "x"}}),
    chat({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}),
    chat({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
    chat({"type": "video_url", "video_url": {"url": "https://x.test/y.mp4"}}),
    chat(image("AAAA", "video/mp4")),
    chat(image("AAAA", "application/pdf")),
    chat({"type": "image_url", "image_url": {"url": "https://x.test/y", "format": "video/mp4"}}),
    chat({"type": "image_url", "image_url": {"url": "https://x.test/y.pdf?z"}}),
    chat({"type": "image_url", "image_url": "data:,hello"}),
    {"messages": [{"role": "assistant", "content": "x", "images": [
        {"type": "image_url", "image_url": {"url": "https://x.test/y.mp4"}}]}]},
    *(chat({"type": "image_url", "image_url": {"url": "https://x.test/y.png", **said}})
      for said in ({"content_type": "video/mp4"},
                   {"media_type": "image/png", "mime_type": "video/mp4"},
                   {"format": "image/png", "mimeType": "application/pdf"})),
    *(chat({"type": "file", "file": {"file_data": TEXT_FILE, **more}})
      for more in ({"format": "application/pdf"}, {"content_type": "video/mp4"},
                   {"file_id": "https://x.test/y.mp4"}, {"file_url": "https://x.test/y.pdf"},
                   {"url": "data:application/pdf;base64,AAAA"})),
    chat({"type": "document", "source": {"type": "url", "url": "https://x.test/y"}}),
    chat({"type": "document", "source": {"type": "file", "file_id": "x"}}),
    chat({"type": "document",
          "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}),
    chat({"type": "tool_result", "content": [
        {"type": "document", "source": {"type": "url", "url": "https://x.test/y"}}]}),
    chat({"type": "container_upload", "file_id": "x"}),
    chat({"type": "unheard_of", "file_uri": "gs://x/y"}),
    {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
    {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://x.test"}]}]},
    {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]},
    {"input": [{"type": "function_call_output", "call_id": "c",
                "output": [{"type": "input_file", "file_id": "x"}]}]},
    {"input": [{"type": "item_reference", "id": "x"}]},
    {"input": "Hello", "previous_response_id": "resp_1"},
    chat("Hello", web_search_options={}),
    chat("Hello", tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    chat("Hello", tools=[{"googleSearch": {}}]),
    chat("Hello", tools=[{"type": "local_shell", "googleSearch": {}}]),
    chat("Hello", tools=[{"type": "bash_20250124", "name": "bash", "urlContext": {}}]),
]  # fmt: skip


@pytest.mark.parametrize("body", [
    *(chat(word) for word in WORDS),
    *(chat({"type": "text", "text": f'"{word}" {{"type": "{word}"}}'}) for word in WORDS),
    *({"input": word} for word in WORDS),
    *({"prompt": word} for word in WORDS),
    *(chat("hi", tools=[{"name": "open", "input_schema": {
        "type": "object", "properties": {word: {"type": "string"}}}}]) for word in WORDS),
    *(chat({"type": "tool_use", "id": "t", "name": "open", "input": {word: "x", "type": word}})
      for word in WORDS),
    *(chat("hi", response_format={"type": "json_schema", "json_schema": {
        "schema": {"properties": {word: {}}}}}) for word in WORDS),
    chat({"type": "file", "file": {"file_id": None, "file_data": ""}}),
    chat({"type": "document", "source": None}),
    chat({"type": "document", "title": "file", "source": {
        "type": "text", "media_type": "text/plain", "data": "a file"}}),
    {"input": [{"type": "function_call", "name": "f", "arguments": '{"file": "x"}'}],
     "previous_response_id": None},
    {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "file"}]},
    {"messages": [{"role": "assistant", "content": "x", "audio": None, "file": None}]},
], ids=lambda body: json.dumps(body)[:60])  # fmt: skip
def test_words_are_never_taken_for_a_file(body: Json) -> None:
    estimate = bound(CLAUDE, body)
    assert estimate.tokens_in <= len(json.dumps(body)) + 1000
    assert estimate.tokens_in >= len(json.dumps(body, separators=(",", ":"))) - 60


@pytest.mark.parametrize("body", UNSEEN, ids=lambda body: json.dumps(body)[:60])
def test_what_nobody_sees_is_as_long_as_the_window(body: Json) -> None:
    assert bound(GEMINI, body).tokens_in >= 1_048_576


def test_a_text_file_in_the_body_counts_as_its_words() -> None:
    data = base64.b64encode(b"word " * 1000).decode()
    file = {"file_data": f"data:text/plain;base64,{data}", "filename": "x.txt"}
    for body in (
        chat({"type": "file", "file": file}),
        {"input": [{"role": "user", "content": [{"type": "input_file", **file}]}]},
    ):
        assert 5000 <= bound(GPT_5, body).tokens_in <= 5300


def test_sound_is_paid_as_sound_only_where_there_is_some() -> None:
    sound = chat({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})
    assert bound(GEMINI, sound).price.input == 10_000
    assert bound(GEMINI, chat("audio")).price.input == 1250
    assert bound(GEMINI, chat("hi", modalities=["text", "audio"])).price.input == 10_000


def test_a_count_of_words_is_closer() -> None:
    close = request(GPT_5, chat("word " * 1000)).counted(lambda text: len(text.split()))
    assert 1300 <= close.tokens_in <= 1310


def test_a_prediction_is_set_aside_as_an_answer_too() -> None:
    guess = {"type": "content", "content": "word " * 1000}
    estimate = bound(GPT_4O_MINI, chat("Hello", prediction=guess))
    plain = bound(GPT_4O_MINI, chat("Hello"))
    assert estimate.tokens_in > 5000
    words = estimate.tokens_in * estimate.price.output
    assert estimate.max_cost - plain.max_cost == (
        words + (estimate.tokens_in - plain.tokens_in) * estimate.price.input
    )


# --- Tools


@pytest.mark.parametrize(("tool", "tokens"), [
    ({"type": "local_shell"}, 735),
    ({"type": "shell"}, 735),
    ({"type": "apply_patch"}, 735),
    ({"type": "bash_20250124", "name": "bash"}, 245),
    ({"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}, 700),
    ({"type": "computer_20250124", "name": "computer"}, 1234),
    ({"type": "memory_20250818", "name": "memory"}, 735),
    ({"type": "function", "name": "f"}, 0),
    ({"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]}, 0),
])  # fmt: skip
def test_a_tool_of_the_caller_costs_its_words_and_what_a_provider_adds(
    tool: Json, tokens: int
) -> None:
    without = bound(CLAUDE, chat("hi", tools=[])).tokens_in
    words = len(json.dumps(tool, separators=(",", ":")))
    estimate = bound(CLAUDE, chat("hi", tools=[tool]))
    assert estimate.tokens_in == without + words + tokens + WITH_TOOLS
    assert estimate.price.request == 0


# --- Images


@pytest.mark.parametrize(("info", "part", "tokens"), [
    (GPT_4O_MINI, image(picture(1024, 1024)), 2833 + 4 * 5667),
    (GPT_4O_MINI, image(photo(1024, 1024), "image/jpeg"), 2833 + 4 * 5667),
    (GPT_4O_MINI, image("iVBORw0KGgo="), 2833 + 4 * 5667),
    (GPT_4O_MINI, image(picture(4000, 1000)), 2833 + 8 * 5667),
    (GPT_4O_MINI, image("A" * 400), 2833 + 8 * 5667),
    (GPT_4O_MINI, image(picture(1024, 1024), detail="low"), 2833),
    (GPT_5, image(picture(2048, 4096)), 1845),
    (GPT_5_2, image(picture(4000, 4000)), 12_001),
    (CLAUDE, image(picture(100, 100)), 16),
    (CLAUDE, image(picture(1000, 1000)), 1444),
    (CLAUDE, image(picture(4000, 4000)), 1600),
    (CLAUDE, {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                          "data": picture(100, 100)}}, 16),
    (CLAUDE, {"type": "image", "source": {"type": "url", "url": "https://x.test/y"}}, 1600),
    (GEMINI, image(picture(960, 540)), 2240),
    (GEMINI, image(picture(3072, 384)), 6192),
    (GEMINI, {"type": "image_url", "image_url": "https://x.test/y.webp?z"}, 6192),
    ({**GPT_5, "key": None, "model": "openai/my-vllm"}, image(picture(100, 100)), 4096),
    ({**GPT_5, "key": None, "model": "openai/my-vllm"}, image("A" * 400), 16_384),
])  # fmt: skip
def test_an_image_counts_as_its_provider_says(info: Json, part: Json, tokens: int) -> None:
    without = bound(info, chat({"type": part["type"]})).tokens_in
    counted = bound(info, chat(part)).tokens_in - without
    assert tokens <= counted <= tokens + 100


def test_an_image_in_the_result_of_a_tool_counts() -> None:
    inner = image(picture(1024, 1024))
    for body in (
        chat({"type": "tool_result", "content": [inner]}),
        {"input": [{"type": "function_call_output", "output": [
            {"type": "input_image", "image_url": inner["image_url"]["url"]}]}]},
        {"input": [{"type": "computer_call_output", "output": {
            "type": "computer_screenshot", "file_id": "x"}}]},
    ):  # fmt: skip
        assert bound(GPT_4O_MINI, body).tokens_in >= 25_501


def test_fifty_images_are_never_billed_above_what_was_set_aside() -> None:
    """Each is as the provider counts it; the budget of the fault would hold one."""
    body = chat({"type": "text", "text": "What is it?"}, image("iVBORw0KGgo="))
    estimate = bound(GPT_4O_MINI, body)
    assert estimate.max_cost >= 25_501 * 150
    assert estimate.min_cost <= 6_200_000


def test_an_image_of_no_kind_that_gemini_may_fetch_is_as_long_as_the_window() -> None:
    body = chat({"type": "image_url", "image_url": "https://x.test/y"})
    assert bound(GEMINI, body).tokens_in >= 1_048_576
    assert bound(CLAUDE, body).tokens_in < 2000


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_no_size_counts_more_than_an_unknown_one(width: int, height: int) -> None:
    for info in (GPT_4O_MINI, GPT_5, GPT_5_2, CLAUDE, GEMINI, {**GPT_5, "key": None, "model": "z"}):
        known = bound(info, chat(image(picture(width, height)))).tokens_in
        assert known <= bound(info, chat(image("A" * 400))).tokens_in


# --- Thinking


@pytest.mark.parametrize(("info", "more", "tokens"), [
    (GPT_4O_MINI, {}, SHORTEST_ANSWER),
    (GPT_4O_MINI, {"reasoning_effort": "high"}, SHORTEST_ANSWER),
    (GPT_5, {}, 2048 + SHORTEST_THOUGHT_ANSWER),
    (GPT_5, {"reasoning_effort": None}, 2048 + SHORTEST_THOUGHT_ANSWER),
    (GPT_5, {"reasoning_effort": "high"}, 4096 + SHORTEST_THOUGHT_ANSWER),
    (GPT_5, {"reasoning_effort": {"effort": "low"}}, 1024 + SHORTEST_THOUGHT_ANSWER),
    (GPT_5, {"reasoning_effort": "minimal"}, 128 + SHORTEST_THOUGHT_ANSWER),
    (GPT_5, {"reasoning_effort": "none"}, SHORTEST_ANSWER),
    (GPT_5, {"reasoning_effort": "unheard of"}, 2048 + SHORTEST_THOUGHT_ANSWER),
    (GPT_5, {"reasoning": {"effort": "xhigh"}}, 8192 + SHORTEST_THOUGHT_ANSWER),
    (GPT_5, {"reasoning": {"summary": "auto"}}, 2048 + SHORTEST_THOUGHT_ANSWER),
    (GPT_5_2, {}, SHORTEST_ANSWER),
    (GPT_5_2, {"reasoning_effort": "low"}, 1024 + SHORTEST_THOUGHT_ANSWER),
    (CLAUDE, {}, SHORTEST_ANSWER),
    (CLAUDE, {"thinking": {"type": "disabled"}}, SHORTEST_ANSWER),
    (CLAUDE, {"thinking": {"type": "adaptive"}}, 2048 + SHORTEST_THOUGHT_ANSWER),
    (CLAUDE, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
     16_384 + SHORTEST_THOUGHT_ANSWER),
    (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 8000}},
     8000 + SHORTEST_THOUGHT_ANSWER),
    (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 8000}, "max_tokens": 8100}, 8100),
    (GPT_5, {"max_tokens": 200}, 200),
])  # fmt: skip
def test_an_answer_is_not_shorter_than_its_thoughts(info: Json, more: Json, tokens: int) -> None:
    body = {**chat("hi"), "max_tokens": 100_000, **more}
    estimate = bound(info, body)
    assert estimate.min_cost == estimate.price.of(estimate.tokens_in, tokens)


def test_a_limit_is_never_lowered_below_the_thoughts() -> None:
    """The provider would refuse it: the limit must be above the budget for thinking."""
    thinking = {"type": "enabled", "budget_tokens": 8000}
    body = {**chat("hi"), "max_tokens": 16_000, "thinking": thinking}
    estimate = bound(CLAUDE, body)
    assert estimate.min_cost > 46_000_000  # what was left when it was refused
    limit = limit_answer("acompletion", body, estimate, estimate.min_cost)
    assert body["max_tokens"] == limit == 8000 + SHORTEST_THOUGHT_ANSWER


def test_only_an_answer_that_is_shorter_for_want_of_money_is_said_to_be() -> None:
    unlimited: Json = {**GPT_4O_MINI, "max_output_tokens": None}
    body = chat("hi", max_tokens=None)
    estimate = bound(unlimited, body)
    assert limit_answer("acompletion", body, estimate, estimate.max_cost) is None
    assert body["max_tokens"] == 4096
    assert limit_answer("acompletion", body, estimate, estimate.min_cost) == SHORTEST_ANSWER


# --- Anything at all

TEXT = st.text(max_size=20) | st.sampled_from(["file", "user", "text", "image_url", "document"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "file", "tool_result", "document", "image"])},
    optional={
        "text": TEXT, "content": TEXT, "source": VALUES, "file": VALUES, "file_id": VALUES,
        "image_url": TEXT | st.fixed_dictionaries({"url": TEXT}), "detail": VALUES,
    },
)  # fmt: skip
MESSAGES = st.fixed_dictionaries({
    "role": st.sampled_from(["user", "assistant", "tool", "system"]),
    "content": st.none() | TEXT | st.lists(PARTS, max_size=3),
})  # fmt: skip
ROUTES = {
    "/v1/chat/completions": ("acompletion", "messages", st.lists(MESSAGES, min_size=1)),
    "/v1/messages": ("anthropic_messages", "messages", st.lists(MESSAGES, min_size=1)),
    "/v1/responses": ("aresponses", "input", TEXT | st.lists(MESSAGES, min_size=1)),
    "/v1/completions": ("atext_completion", "prompt", TEXT | st.lists(TEXT)),
    "/v1/embeddings": ("aembedding", "input", TEXT | st.lists(TEXT)),
}


@pytest.mark.parametrize("route", ROUTES)
@given(data=st.data())
def test_whatever_is_let_through_has_bounds(route: str, data: st.DataObject) -> None:
    call_type, name, prompts = ROUTES[route]
    names = st.sampled_from(sorted(PASSED[route] - {name, "model", "max_tokens"}))
    body = data.draw(st.dictionaries(names, VALUES, max_size=3))
    body |= {"model": "m", name: data.draw(prompts)}
    if "max_tokens" in PASSED[route]:
        body["max_tokens"] = 50
    try:
        checked = validate_body(route, body).value
    except RequestError:
        return
    estimate = bound(CLAUDE, checked, call_type)
    assert 0 <= estimate.min_cost <= estimate.max_cost
    assert estimate.tokens_in >= len(str(checked[name]).split())
    limit_answer(call_type, checked, estimate, estimate.min_cost)


PLAIN = st.text(st.characters(codec="utf-8"), max_size=300)


@given(st.lists(PLAIN, min_size=1), st.sampled_from([GPT_5, CLAUDE, GEMINI, GPT_4O_MINI]))
def test_plain_words_are_never_set_aside_for_as_a_window(texts: list[str], info: Json) -> None:
    body = chat(*({"type": "text", "text": text} for text in texts))
    estimate = bound(info, body)
    told = len(json.dumps(body, ensure_ascii=False).encode())
    assert sum(len(text.encode()) for text in texts) <= estimate.tokens_in <= told
    assert estimate.tokens_in < dearest([info]).window
