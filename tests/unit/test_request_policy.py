"""What reaches LiteLLM is known, what restricts is never lost, and the rest is named."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.request_policy import PASSED, RequestError, validate_body, validate_call

Json = dict[str, Any]

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
COUNT, IMAGES, SPEECH = "/v1/messages/count_tokens", "/v1/images/generations", "/v1/audio/speech"
HELLO: Json = {"messages": [{"role": "user", "content": "Hello"}]}
BODIES: dict[str, Json] = {
    CHAT: {"model": "m", **HELLO},
    MESSAGES: {"model": "m", "max_tokens": 9, **HELLO},
    COUNT: {"model": "m", **HELLO},
    RESPONSES: {"model": "m", "input": "Hello"},
    COMPLETIONS: {"model": "m", "prompt": "Hello"},
    EMBEDDINGS: {"model": "m", "input": "Hello"},
    IMAGES: {"model": "m", "prompt": "A house"},
    SPEECH: {"model": "m", "input": "Hello", "voice": "alloy"},
}


def refusal(route: str, body: object) -> str:
    with pytest.raises(RequestError) as refused:
        validate_body(route, body)
    return str(refused.value)


@pytest.mark.parametrize("route", BODIES)
def test_a_usual_body_is_passed_on_as_it_is(route: str) -> None:
    body = validate_body(route, BODIES[route])
    assert (body.value, body.dropped) == (BODIES[route], ())


@pytest.mark.parametrize("name", [
    "client_metadata", "betas", "anthropic_beta", "chat_id", "session_id", "title_generation",
    "mirostat", "mirostat_eta", "mirostat_tau", "repeat_last_n", "repeat_penalty", "tfs_z", "think",
    "format", "keep_alive", "num_keep", "num_ctx", "num_batch", "num_thread", "num_gpu", "use_mmap",
    "use_mlock", "options", "prompt_cache_options",
])  # fmt: skip
@pytest.mark.parametrize("route", [CHAT, RESPONSES, MESSAGES, EMBEDDINGS])
def test_what_changes_nothing_is_dropped_and_named(route: str, name: str) -> None:
    body = validate_body(route, {**BODIES[route], name: 1})
    assert (body.value, body.dropped) == (BODIES[route], (name,))


@pytest.mark.parametrize("name", [
    # where
    "inference_geo", "data_residency", "region", "aws_region_name", "processingLocation",
    # how long it is kept
    "zero_data_retention", "retention_days", "store_prompt", "cache_ttl",
    # safety
    "safeguards", "safetySettings", "moderation", "guardrails", "content_filter", "access_programs",
    # form
    "guided_json", "grammar", "output_schema", "responseFormat", "structured_outputs",
    # limits
    "max_output_tokens", "maxOutputTokens", "max_tokens_to_sample", "min_tokens", "token_limit",
    "stop_token_ids", "bad_words", "max_price",
    # prices
    "speed", "candidate_count", "background", "container", "mcp_servers", "conversation",
    # orders to LiteLLM
    "no-log", "custom_llm_provider", "fallbacks", "context_window_fallbacks", "num_retries",
    "timeout", "api_base", "api_key", "extra_body", "extra_headers", "mock_response", "base_model",
    "litellm_metadata", "input_cost_per_token", "drop_params", "tags", "models", "model_info",
])  # fmt: skip
def test_what_restricts_or_steers_or_costs_is_refused(name: str) -> None:
    assert f"`{name}` cannot be set" in refusal(CHAT, {**BODIES[CHAT], name: "x"})


@pytest.mark.parametrize(("route", "extra"), [
    (MESSAGES, {"n": 3}),
    (MESSAGES, {"stop": "x"}),
    (RESPONSES, {"max_tokens": 9}),
    (RESPONSES, {"messages": []}),
    (RESPONSES, {"prompt": {"id": "x"}}),
    (COMPLETIONS, {"max_completion_tokens": 9}),
    (COMPLETIONS, HELLO),
    (EMBEDDINGS, {"stream": True}),
    (CHAT, {"input": "x"}),
])  # fmt: skip
def test_what_belongs_to_another_api_is_not_lost_in_silence(route: str, extra: Json) -> None:
    assert "cannot be set" in refusal(route, {**BODIES[route], **extra})


def test_what_restricts_nothing_because_it_is_null_is_dropped() -> None:
    body = validate_body(MESSAGES, {**BODIES[MESSAGES], "inference_geo": None})
    assert body.dropped == ("inference_geo",)


@pytest.mark.parametrize(("route", "name"), [
    (CHAT, "max_tokens"), (CHAT, "seed"), (CHAT, "n"), (MESSAGES, "max_tokens"),
    (MESSAGES, "top_k"), (RESPONSES, "max_output_tokens"), (EMBEDDINGS, "dimensions"),
])  # fmt: skip
def test_a_whole_number_with_a_point_is_a_whole_number(route: str, name: str) -> None:
    passed = validate_body(route, {**BODIES[route], name: 100.0}).value[name]
    assert (type(passed), passed) == (int, 100)
    for wrong in (100.5, 1e400, -0.5):
        assert f"`{name}` must be a whole number" in refusal(route, {**BODIES[route], name: wrong})


@pytest.mark.parametrize(("route", "name", "value"), [
    (MESSAGES, "speed", "standard"),
    (MESSAGES, "inference_geo", "global"),
    (RESPONSES, "background", False),
    (EMBEDDINGS, "stream", False),
    (MESSAGES, "mcp_servers", []),
    (CHAT, "container", {}),
])  # fmt: skip
def test_what_costs_nothing_because_it_is_off_is_dropped(
    route: str, name: str, value: object
) -> None:
    body = validate_body(route, {**BODIES[route], name: value})
    assert (body.value, body.dropped) == (BODIES[route], (name,))


@pytest.mark.parametrize(("name", "value"), [
    ("zero_data_retention", False), ("safeguards", []), ("max_price", 0), ("background", 0),
])  # fmt: skip
def test_what_restricts_is_not_off(name: str, value: object) -> None:
    assert f"`{name}` cannot be set" in refusal(CHAT, {**BODIES[CHAT], name: value})


def test_names_are_fit_for_a_header() -> None:
    extra = {"a\r\nb: c": 1, "ü" * 100: 1, **{f"n{number}": 1 for number in range(50)}}
    dropped = validate_body(CHAT, {**BODIES[CHAT], **extra}).dropped
    assert dropped[:2] == ("a??b??c", "?" * 64)
    assert len(dropped) == 20


# --- Malformed bodies


@pytest.mark.parametrize("body", [[], "x", 1, None, True])
def test_a_body_is_an_object(body: object) -> None:
    assert refusal(CHAT, body) == "The body must be a JSON object."


@pytest.mark.parametrize(("route", "extra", "words"), [
    (CHAT, {"model": None}, "`model` must be the name of one model."),
    (CHAT, {"model": 5}, "`model` must be the name of one model."),
    (CHAT, {"model": ["m"]}, "`model` must be the name of one model."),
    (CHAT, {"model": {}}, "`model` must be the name of one model."),
    (CHAT, {"messages": "x"}, "`messages` must be a list of objects."),
    (CHAT, {"messages": []}, "`messages` must not be missing or empty."),
    (CHAT, {"messages": None}, "`messages` must not be missing or empty."),
    (CHAT, {"messages": ["x"]}, "`messages` must be a list of objects."),
    (CHAT, {"messages": [{}]}, "`messages[0].role` must be one of"),
    (CHAT, {"messages": [{"role": ["user"]}]}, "`messages[0].role` must be one of"),
    (CHAT, {"messages": [{"role": "user", "content": 5}]}, "`messages[0].content` must be a text"),
    (CHAT, {"messages": [{"role": "user", "content": ["x"]}]}, "`messages[0].content[0]` must be"),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
     "`messages[0].content[0].text` must be a text."),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": 5}]}]},
     "`messages[0].content[0].image_url.url` must be a text."),
    (CHAT, {"stream": "true"}, "`stream` must be true or false."),
    (CHAT, {"temperature": "hot"}, "`temperature` must be a number."),
    (CHAT, {"temperature": True}, "`temperature` must be a number."),
    (CHAT, {"n": 0}, "`n` must be a whole number above 0."),
    (CHAT, {"n": "3"}, "`n` must be a whole number above 0."),
    (CHAT, {"max_tokens": 10**20}, "`max_tokens` must be a whole number above 0."),
    (CHAT, {"max_tokens": 1.5}, "`max_tokens` must be a whole number above 0."),
    (CHAT, {"stop": [1]}, "`stop` must be a text or a list of texts."),
    (CHAT, {"tools": {"type": "web_search"}}, "`tools` must be a list of objects."),
    (CHAT, {"tools": ["x"]}, "`tools` must be a list of objects."),
    (CHAT, {"tools": [{"type": "function"}]}, "A tool of your own must have a name."),
    (CHAT, {"tools": [{}]}, "A tool of your own must have a name."),
    (CHAT, {"tools": [{"type": "mcp"}]}, "This gateway does not offer the tool `mcp`."),
    (CHAT, {"tools": [{"type": ["x"]}]}, "This gateway does not offer the tool"),
    (CHAT, {"metadata": {"a": {}}}, "`metadata` must be an object without objects or lists in it."),
    (CHAT, {"metadata": "x"}, "`metadata` must be an object without objects or lists in it."),
    (CHAT, {"user": {"id": "x"}}, "`user` must be a text."),
    (CHAT, {"thinking": "yes"}, "`thinking` must be an object."),
    (MESSAGES, {"max_tokens": None}, "`max_tokens` must be a whole number above 0."),
    (MESSAGES, {"system": 5}, "`system` must be a text or a list of objects."),
    (RESPONSES, {"input": None}, "`input` must not be missing or empty."),
    (RESPONSES, {"input": [1]}, "`input` must be a text or a list of objects."),
    (RESPONSES, {"reasoning": "high"}, "`reasoning` must be an object."),
    (COMPLETIONS, {"prompt": {}}, "`prompt` must not be missing or empty."),
    (COMPLETIONS, {"prompt": 5}, "`prompt` must be a text, a list of texts, or tokens."),
    (EMBEDDINGS, {"input": [{}]}, "`input` must be a text, a list of texts, or tokens."),
    (EMBEDDINGS, {"dimensions": -1}, "`dimensions` must be a whole number above 0."),
    (IMAGES, {"prompt": ["x"]}, "`prompt` must be a text."),
])  # fmt: skip
def test_a_malformed_body_is_refused_in_one_sentence(route: str, extra: Json, words: str) -> None:
    said = refusal(route, {**BODIES[route], **extra})
    assert said.startswith(words)
    assert said.count(". ") == 0


@pytest.mark.parametrize("route", [CHAT, MESSAGES, COUNT, RESPONSES, COMPLETIONS, EMBEDDINGS])
def test_nulls_are_nothing(route: str) -> None:
    needed = BODIES[route]
    body = dict.fromkeys(PASSED[route]) | needed
    assert validate_body(route, body).value == body


@pytest.mark.parametrize("tool", [
    {"type": "local_shell"},
    {"type": "shell"},
    {"type": "shell", "environment": {"type": "local"}},
    {"type": "apply_patch"},
    {"type": "bash_20250124", "name": "bash"},
    {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
    {"type": "computer_20250124", "name": "computer"},
    {"type": "memory_20250818", "name": "memory"},
    {"type": "custom", "name": "patch"},
    {"type": "web_search"},
    {"type": "web_search_20250305", "name": "web_search"},
    {"googleSearch": {}},
    {"type": "function", "function": {"name": "f"}},
    {"name": "f", "input_schema": {}},
    {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]},
    {"type": "namespace", "name": "n", "tools": [
        {"type": "namespace", "name": "m", "tools": [{"type": "custom", "name": "f"}]}]},
])  # fmt: skip
def test_tools_of_the_caller_and_searches_are_offered(tool: Json) -> None:
    assert validate_body(RESPONSES, {**BODIES[RESPONSES], "tools": [tool]}).value["tools"] == [tool]


@pytest.mark.parametrize("tool", [
    {"type": "mcp", "server_url": "http://127.0.0.1:1"},
    {"type": "image_generation"},
    {"type": "bash_20250124", "name": "bash", "googleMaps": {}},
    {"type": "memory_20250818", "name": "memory", "google_maps": {}},
    {"googleSearch": {}, "computerUse": {}},
    {"type": "web_search", "fileSearch": {}},
    {"type": "shell", "environment": {"type": "container_auto"}},
    {"type": "shell", "environment": {"type": "container_reference", "container_id": "x"}},
    {"type": "file_search", "vector_store_ids": ["x"]},
    {"type": "advisor_20260301", "model": "claude-opus"},
    {"type": "function", "googleSearch": {}},
    {"type": "function", "name": "f", "googleSearch": {}},
    {"type": "namespace", "name": "n", "tools": [{"type": "mcp", "server_url": "http://x"}]},
    {"type": "namespace", "name": "n", "tools": {}},
])  # fmt: skip
def test_other_tools_are_not(tool: Json) -> None:
    assert "tool" in refusal(RESPONSES, {**BODIES[RESPONSES], "tools": [tool]})


# --- The cache


@pytest.mark.parametrize(("cache", "kept"), [
    ({"use-cache": True}, {"use-cache": True}),
    ({"ttl": 100_000_000}, {"ttl": 60}),
    ({"ttl": 5}, {"ttl": 5}),
    ({"ttl": None}, {"ttl": None}),
    ({"s-maxage": 1e9}, {"s-maxage": 60}),
    ({"s-max-age": 61, "namespace": "n"}, {"s-max-age": 60, "namespace": "n"}),
    ({"no-cache": True, "cache_key": "mine"}, {"no-cache": True}),
])  # fmt: skip
def test_an_answer_is_kept_no_longer_than_the_tenant_says(cache: Json, kept: Json) -> None:
    body = validate_body(CHAT, {**BODIES[CHAT], "cache": cache}, cache_seconds=60)
    assert body.value["cache"] == kept


@pytest.mark.parametrize("cache", [
    {"ttl": "x"}, {"ttl": -1}, {"ttl": True}, {"use-cache": "yes"}, {"namespace": 5}, {"ttl": []},
    ["x"],
])  # fmt: skip
def test_the_cache_is_not_asked_for_nonsense(cache: object) -> None:
    assert "`cache" in refusal(CHAT, {**BODIES[CHAT], "cache": cache})


@pytest.mark.parametrize(("route", "extra"), [
    (CHAT, {"min_p": 0.5}),
    (CHAT, {"repetition_penalty": 1.1}),
    (CHAT, {"chat_template_kwargs": {"enable_thinking": False}}),
    (CHAT, {"safety_settings": [{"category": "x", "threshold": "y"}]}),
    (COMPLETIONS, {"min_p": 0.5}),
    (EMBEDDINGS, {"input_type": "query"}),
])  # fmt: skip
def test_an_answer_that_others_could_get_is_not_kept(route: str, extra: Json) -> None:
    body = validate_body(route, {**BODIES[route], **extra, "cache": {"use-cache": True}})
    assert body.value["cache"] == {"no-cache": True, "no-store": True}


# --- Anything at all

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted({name for names in PASSED.values() for name in names}))


@given(
    route=st.sampled_from(sorted(PASSED)),
    body=st.dictionaries(NAMES | st.text(max_size=8), VALUES, max_size=6),
    whole=st.booleans(),
)
def test_whatever_is_sent_is_refused_or_known(route: str, body: Json, *, whole: bool) -> None:
    with suppress(RequestError):
        checked = validate_body(route, {**BODIES.get(route, {}), **body} if whole else body)
        assert set(checked.value) <= PASSED[route] | {"cache"}
        assert json.loads(json.dumps(checked.value)) == checked.value


@pytest.mark.parametrize(("call_type", "body"), [
    ("acreate_batch", {"model": "m"}),
    ("acompletion", {"model": None}),
    ("acompletion", {}),
    ("acompletion", {"model": "m", "n": 0}),
    ("aresponses", {"model": "m", "max_output_tokens": "9"}),
])  # fmt: skip
def test_a_call_without_a_bound_is_refused(call_type: str, body: Json) -> None:
    with pytest.raises(RequestError):
        validate_call(call_type, body)
