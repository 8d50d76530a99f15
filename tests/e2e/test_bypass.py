"""Every way round a budget that is known ends in a refusal, or on the right bill."""

import base64
import gzip
import http.client
import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.e2e.api import chat, client
from tests.e2e.identity import secret, token
from tests.e2e.money import DAY_SECONDS, Money, Payer, cost, message
from tests.e2e.waiting import until

pytestmark = pytest.mark.usefixtures("on_one_way")

Json = dict[str, Any]
Headers = dict[str, str]

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
HELLO: Json = {"messages": [{"role": "user", "content": "Hello there"}]}
BODIES: dict[str, Json] = {
    CHAT: {"model": "paid", **HELLO},
    MESSAGES: {"model": "claude", "max_tokens": 50, **HELLO},
    RESPONSES: {"model": "paid", "input": "Hello there"},
    COMPLETIONS: {"model": "paid", "prompt": "Hello there"},
    EMBEDDINGS: {"model": "embed", "input": "Hello there"},
}
BODY = BODIES[CHAT]
ANSWERING = ("paid", "claude", "gemini", "embed", "free")
VICTIM = "narrow@example.com"
REPORTS = "reports@example.com"
JSON = {"Content-Type": "application/json"}

STEERING: list[Json] = [
    {"no-log": True},
    {"custom_llm_provider": "openai"},
    {"model": "paid,claude"},
    {"model": ["paid"]},
    {"model": "paid/1"},
    {"model": "openai/gpt-5"},
    {"model": None},
    {"specific_deployment": True},
    {"fallbacks": ["claude"]},
    {"context_window_fallbacks": [{"paid": ["claude"]}]},
    {"mock_testing_fallbacks": True},
    {"num_retries": 9},
    {"max_retries": 9},
    {"timeout": 0.01},
    {"litellm_call_id": "mine"},
    {"litellm_session_id": "mine"},
    {"litellm_logging_obj": {"mine": True}},
    {"litellm_params": {"no-log": True}},
    {"litellm_metadata": {"user_api_key_user_id": VICTIM}},
    {"litellm_disabled_callbacks": ["guard"]},
    {"standard_logging_object": {"response_cost": 0}},
    {"callbacks": []},
    {"cache_hit": True},
    {"cache_key": "mine"},
    {"extra_headers": {"x": "y"}},
    {"provider_specific_header": {"custom_llm_provider": "openai", "extra_headers": {"x": "y"}}},
    {"extra_body": {"model": "gpt-5-pro"}},
    {"extra_query": {"x": "y"}},
    {"api_base": "http://127.0.0.1:1"},
    {"api_key": "sk-mine"},
    {"api_version": "2020-01-01"},
    {"aws_region_name": "elsewhere"},
    {"vertex_credentials": "{}"},
    {"mock_response": "for nothing"},
    {"model_info": {"input_cost_per_token": 0}},
    {"base_model": "gpt-5-nano"},
    {"input_cost_per_token": 0},
    {"background": True},
    {"previous_response_id": "resp_1"},
    {"guardrails": ["x"]},
    {"tags": ["x"]},
    {"prompt_id": "x"},
    {"models": ["claude"]},
    {"drop_params": False},
    {"additional_drop_params": ["max_tokens", "max_completion_tokens"]},
    {"generation_config": {"max_output_tokens": 100_000}},
    {"max_output_tokens": 100_000},
    {"maxOutputTokens": 100_000},
    {"max_tokens_to_sample": 100_000},
    {"candidate_count": 8},
    {"candidateCount": 8},
    {"max_tokens": "100"},
    {"max_tokens": -1},
    {"max_tokens": True},
    {"max_tokens": 10**20},
    {"n": 0},
    {"n": "3"},
    {"stream": "true"},
    {"user": {"id": VICTIM}},
    {"tools": {"type": "web_search"}},
    {"tools": [{"type": "mcp", "server_url": "http://127.0.0.1:1"}]},
    {"tools": [{"type": "advisor_20260301", "model": "claude-opus"}]},
    {"tools": [{"type": "image_generation"}]},
    {"tools": [{"type": "file_search", "vector_store_ids": ["x"]}]},
    {"tools": [{"type": "function", "googleSearch": {}}]},
    {"metadata": {"a": {"b": "c"}}},
    {"metadata": '{"user_api_key": "mine"}'},
    {"metadata": ["x"]},
    {"cache": ["x"]},
    {"cache": {"ttl": "x"}},
    {"cache": {"ttl": -1}},
    {"cache": {"use-cache": "yes"}},
    {"tools": [{"type": "namespace", "name": "x", "tools": [{"type": "mcp"}]}]},
    {"store_for_days": 1},
    {"data_residency": "eu"},
    {"guided_json": {}},
]
# What one route takes, and another would take for something else.
STEERING_ELSEWHERE: list[tuple[str, Json]] = [
    (MESSAGES, {"speed": "fast"}),
    (MESSAGES, {"inference_geo": "us"}),
    (MESSAGES, {"mcp_servers": [{"type": "url", "url": "http://127.0.0.1:1", "name": "x"}]}),
    (MESSAGES, {"container": {"skills": []}}),
    (MESSAGES, {"n": 3}),
    (RESPONSES, {"background": True}),
    (RESPONSES, {"prompt": {"id": "x"}}),
    (RESPONSES, {"conversation": "x"}),
    (RESPONSES, {"max_tokens": 100_000}),
    (RESPONSES, {"max_completion_tokens": 100_000}),
    (COMPLETIONS, {"max_completion_tokens": 100_000}),
    (COMPLETIONS, HELLO),
    (EMBEDDINGS, {"stream": True}),
    (EMBEDDINGS, {"model": "embed/1"}),
    (f"{EMBEDDINGS}?model=paid,embed", {}),
    (f"{EMBEDDINGS}?model=embed/1", {}),
    ("/v1/images/generations", {"model": "paid", "prompt": "A tenant"}),
    ("/v1/audio/speech", {"model": "paid", "input": "A tenant", "voice": "alloy"}),
]
HARMLESS: list[tuple[str, Json]] = [
    (CHAT, {"user": VICTIM}),
    (CHAT, {"safety_identifier": VICTIM}),
    (CHAT, {"metadata": {"user_api_key_user_id": VICTIM, "cloudfreedom_request": "mine"}}),
    (CHAT, {"metadata": {"user_api_key": "mine", "no-log": True, "model_group": "free"}}),
    (CHAT, {"stream": True, "stream_options": {"include_usage": False}}),
    (CHAT, {"stream": True, "stream_options": None}),
    (CHAT, {"n": 3}),
    (CHAT, {"max_tokens": 5, "max_completion_tokens": 50_000}),
    (CHAT, {"max_tokens": 9_000_000}),
    (CHAT, {"service_tier": "priority"}),
    (CHAT, {"tools": [{"type": "web_search"}]}),
    (CHAT, {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}),
    (CHAT, {"web_search_options": {}}),
    (CHAT, {"cache": {"no-cache": True, "no-store": True}}),
    (CHAT, {"cache": {"ttl": 5, "namespace": "mine"}}),
    (CHAT, {"min_p": 0.1, "cache": {"use-cache": True}}),
    (MESSAGES, {"metadata": {"user_id": VICTIM, "cloudfreedom_request": "mine"}}),
    (MESSAGES, {"metadata": {"user_id": "user_1_session_12345678"}, "stream": True}),
    (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 100_000}}),
    (RESPONSES, {"metadata": {"user_api_key": "mine", "cloudfreedom_request": "mine"}}),
    (RESPONSES, {"model": "claude", "stream": True}),
    (RESPONSES, {"user": VICTIM, "store": True}),
    (COMPLETIONS, {"stream": True}),
    (COMPLETIONS, {"stream": True, "stream_options": {"include_usage": False}}),
    (COMPLETIONS, {"prompt": ["Hello", "there"], "best_of": 2}),
    (EMBEDDINGS, {"user": VICTIM, "metadata": {"cloudfreedom_request": "mine"}}),
    (EMBEDDINGS, {"cache": {"use-cache": True}}),
]
# What is taken out of a body, and named in the answer.
DROPPED: list[tuple[str, str, object]] = [
    (CHAT, "repeat_penalty", 1.1),
    (CHAT, "mirostat", 1),
    (CHAT, "num_ctx", 8192),
    (CHAT, "keep_alive", "5m"),
    (CHAT, "inference_geo", None),
    (MESSAGES, "cache", {"use-cache": True}),
    (MESSAGES, "betas", ["x"]),
    (RESPONSES, "client_metadata", {"turn": "1"}),
    (RESPONSES, "cache", {"use-cache": True}),
    (COMPLETIONS, "client_metadata", {}),
    (EMBEDDINGS, "client_metadata", {}),
]
REFUSED_HEADERS: list[Headers] = [
    {"x-litellm-call-id": "mine"},
    {"x-litellm-customer-id": VICTIM},
    {"x-litellm-num-retries": "9"},
    {"x-litellm-timeout": "0.01"},
    {"x-litellm-api-key": "sk-mine"},
    {"X-LiteLLM-Disable-Callbacks": "guard"},
    {"X-LiteLLM-Tags": "free"},
]
# What clients send, some of which LiteLLM reads.
HARMLESS_HEADERS: list[tuple[str, Headers]] = [
    (MESSAGES, {"anthropic-version": "2023-06-01", "anthropic-beta": "context-1m-2025-08-07"}),
    (CHAT, {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "baggage": "session.id=mine"}),
    (CHAT, {"x-request-id": "the same", "x-session-id": "12345678-abcd"}),
    (CHAT, {"openai-organization": "mine", "openai-project": "mine"}),
    (CHAT, {"cache-control": "no-store, s-maxage=x"}),
    (CHAT, {"x-openwebui-user-email": VICTIM, "x-forwarded-user": VICTIM}),
    (CHAT, {"x-http-method-override": "GET", "host": "x/v1/models?"}),
]
ROUTES = [
    "/engines/paid/chat/completions",
    "/openai/deployments/paid/chat/completions",
    "/openai/v1/chat/completions",
    "/anthropic/v1/messages",
    "/gemini/v1beta/models/gemini:generateContent",
    "/vertex_ai/v1/models/gemini:generateContent",
    "/bedrock/model/paid/converse",
    "/v1beta/models/gemini:generateContent",
    "/queue/chat/completions",
    "/cursor/chat/completions",
    "/v1/batches",
    "/v1/files",
    "/v1/rerank",
    "/v1/moderations",
    "/v1/fine_tuning/jobs",
    "/v1/responses/compact",
    "/v1/images/edits",
    "/v1/audio/translations",
    "/v1/vector_stores",
    "/mcp",
    "/a2a/paid",
]
DETAILS = ("/v1/models/", "/v1/responses/")
PATHS = [
    f"/{CHAT}",
    f"{CHAT}/",
    f"{CHAT};x",
    f"{CHAT}%0a",
    f"{CHAT}%00",
    "/V1/chat/completions",
    "/v1/Chat/completions",
    "/v1%2fchat%2fcompletions",
    "/v1/./chat/completions",
    "/v1/models/../chat/completions",
    "/v1/chat/comple%09tions",
    "/chat/completions",
    f"{CHAT}?model=claude",
    f"{CHAT}?api-version=2024-01-01",
    f"http://elsewhere{CHAT}",
    f"http://{CHAT}/openai/v1/chat/completions",
]
SOCKETS = [
    "/v1/realtime?model=paid",
    "/openai/v1/realtime?model=paid",
    "/v1/responses",
    "/responses?model=paid",
    "/v1/live/sessions",
    "/vertex_ai/live",
    CHAT,
]
ENCODED: dict[str, tuple[str | bytes, Headers]] = {
    "no type": (json.dumps(BODY), {}),
    "text": (json.dumps(BODY), {"Content-Type": "text/plain"}),
    "protobuf": (json.dumps(BODY), {"Content-Type": "application/x-protobuf"}),
    "JSON as a form": (json.dumps(BODY), {"Content-Type": "application/x-www-form-urlencoded"}),
    "form": ("model=paid&messages=x", {"Content-Type": "application/x-www-form-urlencoded"}),
    "gzip": (gzip.compress(json.dumps(BODY).encode()), {**JSON, "Content-Encoding": "gzip"}),
    "UTF-16": (json.dumps(BODY).encode("utf-16"), JSON),
    "a name twice": ('{"no-log": true, "model": "free", ' + json.dumps(BODY)[1:], JSON),
    "a model twice": ('{"model": "free", ' + json.dumps(BODY)[1:], JSON),
    "NaN": ('{"temperature": NaN, ' + json.dumps(BODY)[1:], JSON),
    "a huge number": (f'{{"seed": {"9" * 40}, ' + json.dumps(BODY)[1:], JSON),
    "NaN and a huge number": (f'{{"top_p": NaN, "seed": {"9" * 40}, {json.dumps(BODY)[1:]}', JSON),
    "deep": (f'{{"response_format": {"[" * 500}{"]" * 500}, ' + json.dumps(BODY)[1:], JSON),
    "deeper": (f'{{"response_format": {"[" * 5000}{"]" * 5000}, ' + json.dumps(BODY)[1:], JSON),
    "half a character": (r'{"model": "paid", "user": "\ud800"}', JSON),
    "a list": ("[]", JSON),
    "nothing": ("", JSON),
}


@pytest.fixture
def program(money: Money) -> Payer:
    return money.program("reports", REPORTS)


@pytest.fixture
def everybody(money: Money, program: Payer) -> list[Payer]:
    return [money.person(), program, money.account()]


def bills(money: Money) -> list[int]:
    """Nanos of every answer that a provider gave."""
    counted = [each for model in ANSWERING for each in money.counted(model)]
    return sorted(cost(*each) for each in counted)


def check_billed(money: Money, payer: Payer, before: int) -> None:
    """Every answer of a provider is on the payer's bill, and nothing else is."""
    due = bills(money)
    until(lambda: len([event for event in payer.events()[before:] if event.cost]) >= len(due))
    time.sleep(0.2)
    assert sorted(event.cost for event in payer.events()[before:] if event.cost) == due


def described(value: object) -> str:
    return json.dumps(value)[:60]


def raw(
    money: Money,
    path: str,
    headers: list[tuple[str, str]],
    body: str | bytes = "",
    method: str = "POST",
) -> int:
    """Status of a request that no client has tidied up."""
    content = body.encode() if isinstance(body, str) else body
    host = httpx.URL(money.running.api).netloc.decode()
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.putrequest(method, path, skip_accept_encoding=True)
    if content:
        headers = [*headers, ("Content-Length", str(len(content)))]
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders(content)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def authorization(payer: Payer) -> tuple[str, str]:
    """The header with the payer's key."""
    return "Authorization", str(payer.gateway.headers["Authorization"])


# --- The body


@pytest.mark.parametrize("extra", STEERING, ids=described)
def test_what_would_steer_a_request_is_refused(
    money: Money, everybody: list[Payer], extra: Json
) -> None:
    for payer in everybody:
        response = payer.gateway.post(CHAT, json=BODY | extra)
        assert response.status_code == 400, response.text
    assert bills(money) == []


@pytest.mark.parametrize(("path", "extra"), STEERING_ELSEWHERE, ids=described)
def test_what_would_steer_it_elsewhere_is_refused(
    money: Money, everybody: list[Payer], path: str, extra: Json
) -> None:
    for payer in everybody:
        response = payer.gateway.post(path, json=BODIES.get(path.partition("?")[0], {}) | extra)
        assert response.status_code in (400, 403), response.text
    assert bills(money) == []


@pytest.mark.parametrize(("path", "extra"), HARMLESS, ids=described)
def test_what_cannot_steer_it_is_on_the_right_bill(
    money: Money, program: Payer, path: str, extra: Json
) -> None:
    payer = money.person() if path in (CHAT, EMBEDDINGS) else program
    before = len(payer.events())
    response = payer.gateway.post(path, json=BODIES[path] | extra)
    assert response.status_code == 200, response.text
    check_billed(money, payer, before)
    assert len(bills(money)) == 1


@pytest.mark.parametrize(("path", "name", "value"), DROPPED, ids=described)
def test_what_changes_nothing_is_dropped_and_named(
    money: Money, program: Payer, path: str, name: str, value: object
) -> None:
    before = len(program.events())
    response = program.gateway.post(path, json=BODIES[path] | {name: value})
    assert response.status_code == 200, response.text
    assert response.headers["x-cloudfreedom-dropped"] == name
    model = money.providers.deployment(BODIES[path]["model"])
    assert name not in model.calls()[-1].body
    check_billed(money, program, before)


@pytest.mark.parametrize("model", ["paid", "claude", "gemini"])
@pytest.mark.parametrize(("path", "limits"), [
    (CHAT, {}),
    (CHAT, {"max_tokens": 10, "max_completion_tokens": 100_000}),
    (CHAT, {"max_tokens": 100_000, "max_completion_tokens": 10}),
    (CHAT, {"max_tokens": 100_000, "max_completion_tokens": None}),
    (CHAT, {"n": 4}),
    (CHAT, {"reasoning_effort": "high"}),
    (CHAT, {"max_tokens": 30, "thinking": {"type": "enabled", "budget_tokens": 50_000}}),
], ids=described)  # fmt: skip
def test_no_limit_is_past_what_is_left(money: Money, model: str, path: str, limits: Json) -> None:
    """The budget is worth 500 tokens of an answer."""
    payer = money.person("0.001")
    assert payer.gateway.post(path, json=BODY | {"model": model} | limits).status_code == 200
    [call] = money.providers.deployment(model).calls()
    told = call.body.get("generationConfig", call.body)
    limit = max(
        told.get(name, 0) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")
    )
    assert 0 < limit * limits.get("n", 1) <= 500


@pytest.mark.parametrize("extra", [
    {"messages": [{"role": "user", "content": f"data: {'hello ' * 30_000}"}]},
    {"messages": [{"role": "user", "content": "hello ", "image_url": "x", "name": "y " * 40_000}]},
    {"messages": [{"type": "image", "role": "user", "content": "hello " * 30_000}]},
    {"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:video/mp4;base64,AAAA"}}]}]},
    {"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "https://x/y", "format": "video/mp4"}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]}]},
    {"web_search_options": {}},
    {"model": "gemini", "tools": [{"googleSearch": {}}]},
], ids=described)  # fmt: skip
def test_nothing_is_taken_for_less_than_it_may_be(money: Money, extra: Json) -> None:
    """The budget is worth 10,000 tokens of a prompt."""
    payer = money.person("0.01")
    response = payer.gateway.post(CHAT, json=BODY | {"max_tokens": 20} | extra)
    assert response.status_code == 402, response.text
    assert "Ask your administrator" in message(response)
    assert bills(money) == []


def test_several_texts_to_complete_have_several_answers(money: Money, program: Payer) -> None:
    """The budget is worth 500 tokens of an answer."""
    body = {"model": "paid", "prompt": ["Hello"] * 10, "max_tokens": 100}
    before = len(program.events())
    program.budget("0")
    try:
        until(lambda: program.gateway.post(COMPLETIONS, json=body).status_code == 402, seconds=40)
        program.budget(f"{(program.spent() + 1_000_000) / 1e9:.9f}")
        until(lambda: program.gateway.post(COMPLETIONS, json=body).status_code == 200)
    finally:
        program.budget("1000")
    *_, call = money.providers.deployment("paid").calls()
    assert call.body["max_tokens"] <= 50
    check_billed(money, program, before)


# --- The cache


def test_a_fresh_answer_is_billed_whatever_is_asked_of_the_cache(money: Money) -> None:
    payer = money.person()
    asked: list[Json] = [
        {"use-cache": True},
        {"use-cache": True},
        {"use-cache": True, "no-cache": True},
        {"use-cache": True, "no-store": True},
        {"use-cache": True, "namespace": "mine"},
        {"use-cache": True, "namespace": "money"},
        {"use-cache": True, "ttl": 0, "namespace": "mine too"},
        {"use-cache": True, "s-maxage": 0},
        {"use-cache": True, "cache_key": "mine"},
    ]
    for cache in asked:
        assert chat(payer.gateway, "paid", payer.name, cache=cache).status_code == 200
    check_billed(money, payer, 0)
    assert 5 < len(bills(money)) < len(asked)
    payer.events_after(len(asked))


def test_another_question_is_not_answered_from_the_cache(money: Money) -> None:
    payer = money.person()
    for more in ({}, {"n": 2}, {"max_tokens": 9}, {"temperature": 0}, {"stop": "x"}):
        body = BODY | {"cache": {"use-cache": True}, "user": payer.name, **more}
        assert payer.gateway.post(CHAT, json=body).status_code == 200
    check_billed(money, payer, 0)
    assert len(bills(money)) == 5


# --- Headers and keys


@pytest.mark.parametrize("header", REFUSED_HEADERS, ids=str)
def test_headers_for_litellm_are_refused(
    money: Money, everybody: list[Payer], header: Headers
) -> None:
    for payer in everybody:
        response = payer.gateway.post(CHAT, json=BODY, headers=header)
        assert response.status_code in (401, 403)
    assert bills(money) == []


@pytest.mark.parametrize(("path", "header"), HARMLESS_HEADERS, ids=described)
def test_headers_of_a_client_are_let_in_and_change_no_bill(
    money: Money, program: Payer, path: str, header: Headers
) -> None:
    before = len(program.events())
    for _ in range(2):
        response = program.gateway.post(path, json=BODIES[path], headers=header)
        assert response.status_code == 200, response.text
    check_billed(money, program, before)
    assert len(bills(money)) == 2


def test_a_key_is_the_same_in_every_header(money: Money, program: Payer) -> None:
    key = authorization(program)[1].removeprefix("Bearer ")
    names = ("x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key", "x-key")
    before = len(program.events())
    statuses = [raw(money, CHAT, [(name, key)], json.dumps(BODY)) for name in names]
    statuses.append(raw(money, CHAT, [("Authorization", f"bearer {key}")], json.dumps(BODY)))
    statuses += [
        raw(money, f"{CHAT}?{name}={key}", [], json.dumps(BODY)) for name in ("key", "api_key")
    ]
    assert set(statuses) <= {200, 401}
    assert len(bills(money)) == statuses.count(200) >= 3
    check_billed(money, program, before)


def test_of_two_keys_one_counts(money: Money, program: Payer) -> None:
    narrow = money.program("narrow", VICTIM)
    mine, other = authorization(program), authorization(narrow)
    before = len(program.events()), len(narrow.events())
    assert raw(money, CHAT, [mine, other], json.dumps(BODY)) in (200, 401, 403)
    assert raw(money, CHAT, [other, mine], json.dumps(BODY)) in (401, 403)
    assert (
        raw(money, f"{EMBEDDINGS}?model=embed", [other], '{"model": "claude", "input": "x"}') == 403
    )
    check_billed(money, program, before[0])
    assert len(narrow.events()) == before[1]


def test_of_two_people_the_first_pays(money: Money) -> None:
    """Only Open WebUI could send this, and it does not."""
    first, second = money.person(), money.person()
    key = secret(money.running, "FORWARD_USER_INFO_HEADER_JWT_SECRET")
    headers = [authorization(first)]
    for payer in (first, second):
        headers += token(key, payer.name, seconds=DAY_SECONDS).items()
    assert raw(money, CHAT, headers, json.dumps(BODY)) == 200
    check_billed(money, first, 0)
    assert second.events() == []


# --- Routes and encodings


@pytest.mark.parametrize("route", ROUTES)
def test_no_other_route_leads_to_a_provider(
    money: Money, everybody: list[Payer], route: str
) -> None:
    for payer in everybody:
        response = payer.gateway.post(route, json=BODY)
        assert response.status_code in (401, 403, 404, 405), response.text
    assert bills(money) == []


def test_what_litellm_offers_besides_is_nobodys(money: Money, program: Payer) -> None:
    """Whatever a program may call answers the same to anybody, or is one of our routes."""
    with client(money.running) as operator:
        offered = operator.get("/routes").json()["routes"]
    ours = (*BODIES, "/v1/models", "/v1/images/generations", "/v1/messages/count_tokens")
    with client(money.running, "sk-of-nobody") as nobody:
        for route in offered:
            path = route["path"].replace("{", "").replace("}", "").partition(":")[0]
            for method in {*(route["methods"] or ())} - {"HEAD", "OPTIONS"}:
                status = program.gateway.request(method, path, json={}).status_code
                whole = path if path.startswith("/v1/") else f"/v1{path}"
                known = whole.startswith(("/v1/audio/", *DETAILS)) or whole in ours
                if status != 403 and not known:
                    assert nobody.request(method, path, json={}).status_code == status, path


@pytest.mark.parametrize("path", PATHS)
def test_another_spelling_of_a_route_is_none_or_the_same(
    money: Money, program: Payer, path: str
) -> None:
    before = len(program.events())
    status = raw(money, path, [authorization(program)], json.dumps(BODY))
    assert status in (200, 307, 400, 403, 404)
    assert len(bills(money)) == (status == 200)
    check_billed(money, program, before)


@pytest.mark.parametrize("path", SOCKETS)
def test_no_websocket_is_opened(money: Money, program: Payer, path: str) -> None:
    upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(b"0123456789abcdef").decode()),
    ]
    for payer in (program, money.account()):
        status = raw(money, path, [*upgrade, authorization(payer)], method="GET")
        assert status in (403, 405)  # 405 where only POST is answered


@pytest.mark.parametrize("name", ENCODED)
def test_another_encoding_is_refused_or_billed(money: Money, program: Payer, name: str) -> None:
    body, headers = ENCODED[name]
    before = len(program.events())
    status = raw(money, CHAT, [authorization(program), *headers.items()], body)
    assert status in (200, 400, 415)
    assert len(bills(money)) == (status == 200)
    check_billed(money, program, before)


def test_a_huge_request_is_billed(money: Money) -> None:
    payer = money.person()
    assert chat(payer.gateway, "paid", "word " * 1_000_000).status_code == 200
    check_billed(money, payer, 0)
    assert payer.spent() == cost(1_000_000, 3)


# --- Garbage

TEXT = st.text(max_size=8) | st.sampled_from(["1", "true", "user", "text", "image_url", "auto"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = """
    model messages input prompt system user metadata cache n max_tokens max_completion_tokens
    max_output_tokens stream stream_options stop stop_sequences temperature top_p tools tool_choice
    response_format modalities audio prediction reasoning reasoning_effort thinking text truncation
    include instructions store dimensions encoding_format logit_bias logprobs top_logprobs
    service_tier previous_response_id parallel_tool_calls context_management safety_identifier
"""


def test_garbage_is_refused_or_paid(money: Money, program: Payer) -> None:
    before = len(program.events())
    answers = 0

    @settings(
        max_examples=150,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        path=st.sampled_from([CHAT, MESSAGES, RESPONSES, EMBEDDINGS]),
        body=st.dictionaries(st.sampled_from(NAMES.split()), VALUES, max_size=4),
        whole=st.booleans(),
    )
    def send(path: str, body: Json, *, whole: bool) -> None:
        nonlocal answers
        model = {"model": "embed" if path == EMBEDDINGS else "paid"}
        # What is not asked for by name is garbage most of the time, and never comes far.
        sent = {**BODIES[path], **body, **model} if whole else body
        response = program.gateway.post(path, content=json.dumps(sent), headers=JSON)
        # Where LiteLLM has to translate for another provider, its own error may say it.
        assert "Traceback" not in response.text
        assert response.status_code != 402
        answers += response.status_code == 200

    send()
    time.sleep(2)  # failures end a moment later
    answered = sum(len(money.counted(model)) for model in ANSWERING)
    assert answered >= answers > 5

    def paid() -> int:
        return sum(event.status == "success" for event in program.events()[before:])

    until(lambda: paid() >= answered)
    assert paid() == answered
    assert all(e.cost for e in program.events()[before:] if e.status == "success")
