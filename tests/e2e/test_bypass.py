"""Every way round a budget that is known ends in a refusal, or on the right bill."""

import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.e2e.api import chat, client
from tests.e2e.money import Money, Payer
from tests.e2e.waiting import until

Json = dict[str, Any]

CHAT = "/v1/chat/completions"
BODY: Json = {"model": "paid", "messages": [{"role": "user", "content": "Hello there"}]}
VICTIM = "narrow@example.com"

STEERING: list[Json] = [
    {"no-log": True},
    {"custom_llm_provider": "openai"},
    {"model": "paid,claude"},
    {"model": ["paid"]},
    {"model": "paid/1"},
    {"model": "openai/gpt-5"},
    {"fallbacks": ["claude"]},
    {"context_window_fallbacks": [{"paid": ["claude"]}]},
    {"num_retries": 9},
    {"max_retries": 9},
    {"timeout": 0.01},
    {"litellm_call_id": "mine"},
    {"litellm_metadata": {"user_api_key_user_id": VICTIM}},
    {"extra_headers": {"x": "y"}},
    {"extra_body": {"model": "gpt-5-pro"}},
    {"extra_query": {"x": "y"}},
    {"api_base": "http://127.0.0.1:1"},
    {"api_key": "sk-mine"},
    {"mock_response": "for nothing"},
    {"model_info": {"input_cost_per_token": 0}},
    {"input_cost_per_token": 0},
    {"background": True},
    {"guardrails": ["x"]},
    {"prompt_id": "x"},
    {"models": ["claude"]},
    {"maxOutputTokens": 100_000},
    {"max_tokens": "100"},
    {"max_tokens": -1},
    {"max_tokens": True},
    {"n": 0},
    {"n": "3"},
    {"tools": [{"type": "mcp", "server_url": "http://127.0.0.1:1"}]},
    {"metadata": {"a": {"b": "c"}}},
]
HARMLESS: list[Json] = [
    {"user": VICTIM},
    {"metadata": {"user_api_key_user_id": VICTIM, "cloudfreedom_request": "mine"}},
    {"stream": True, "stream_options": {"include_usage": False}},
    {"n": 3},
    {"max_tokens": 5, "max_completion_tokens": 50_000},
    {"service_tier": "priority"},
    {"cache": {"no-cache": True, "no-store": True}},
]
HEADERS = [
    {"x-litellm-call-id": "mine"},
    {"x-litellm-customer-id": VICTIM},
    {"x-litellm-num-retries": "9"},
    {"x-litellm-timeout": "0.01"},
    {"x-litellm-api-key": "sk-mine"},
]
ROUTES = [
    "/engines/paid/chat/completions",
    "/openai/deployments/paid/chat/completions",
    "/openai/v1/chat/completions",
    "/anthropic/v1/messages",
    "/queue/chat/completions",
    "/cursor/chat/completions",
    "/v1/batches",
    "/v1/files",
    "/v1/rerank",
    "/v1/moderations",
    "/v1/fine_tuning/jobs",
    "/v1/messages/count_tokens",
    "/v1/vector_stores",
    "/mcp",
]


@pytest.fixture
def program(money: Money) -> Payer:
    return money.program("reports", "reports@example.com")


def answered(money: Money) -> int:
    return len(money.counted("paid")) + len(money.counted("claude"))


def described(body: Json) -> str:
    return json.dumps(body)[:50]


@pytest.mark.parametrize("extra", STEERING, ids=described)
def test_what_would_steer_a_request_is_refused(money: Money, program: Payer, extra: Json) -> None:
    response = program.gateway.post(CHAT, json=BODY | extra)
    assert response.status_code in (400, 401)
    assert answered(money) == 0


@pytest.mark.parametrize("extra", HARMLESS, ids=described)
def test_what_cannot_steer_it_is_on_the_right_bill(money: Money, extra: Json) -> None:
    payer = money.person()
    response = payer.gateway.post(CHAT, json=BODY | extra)
    assert response.status_code == 200, response.text
    response.read()
    [event] = payer.events_after(1)
    assert (event.tokens_input, event.tokens_output) == money.counted("paid")[0]
    assert event.cost > 0


@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_headers_for_litellm_are_refused(
    money: Money, program: Payer, header: dict[str, str]
) -> None:
    response = program.gateway.post(CHAT, json=BODY, headers=header)
    assert response.status_code in (401, 403)
    assert answered(money) == 0


@pytest.mark.parametrize("route", ROUTES)
def test_no_other_route_leads_to_a_provider(money: Money, program: Payer, route: str) -> None:
    for gateway in (program.gateway, client(money.running)):
        with gateway:
            response = gateway.post(route, json=BODY)
        assert response.status_code in (401, 403, 404, 405), response.text
    assert answered(money) == 0


@pytest.mark.parametrize("path", [f"//{CHAT[1:]}", f"{CHAT}/", "/V1/chat/completions", f"{CHAT};x"])
def test_another_spelling_of_a_route_is_none_or_the_same(money: Money, path: str) -> None:
    payer = money.person()
    response = payer.gateway.post(path, json=BODY)
    if response.status_code == 200:
        payer.events_after(1)
    else:
        assert response.status_code in (307, 403, 404)
        assert answered(money) == 0


def test_two_requests_with_one_id_are_two(money: Money) -> None:
    payer = money.person()
    for _ in range(2):
        response = payer.gateway.post(CHAT, json=BODY, headers={"x-request-id": "the same"})
        assert response.status_code == 200
    payer.events_after(2)


def test_a_key_is_the_same_in_every_header(money: Money, program: Payer) -> None:
    key = money.running.way.outputs()["litellm_key_reports"]
    before = len(program.events())
    let_in = 0
    for header in ({"x-api-key": key}, {"api-key": key}, {"Authorization": f"bearer {key}"}):
        with httpx.Client(base_url=money.running.api, timeout=60) as gateway:
            status = gateway.post(CHAT, json=BODY, headers=header).status_code
        assert status in (200, 401)
        let_in += status == 200
    assert answered(money) == let_in
    program.events_after(before + let_in)


# --- Garbage

TEXT = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "model",
        "messages",
        "input",
        "prompt",
        "max_tokens",
        "max_output_tokens",
        "stream",
        "n",
        "tools",
        "tool_choice",
        "stop",
        "temperature",
        "metadata",
        "cache",
        "user",
        "system",
        "stream_options",
        "response_format",
        "modalities",
    ]
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=5)
PATHS = st.sampled_from([CHAT, "/v1/messages", "/v1/responses", "/v1/embeddings"])


def test_garbage_is_refused_or_paid(money: Money) -> None:
    payer = money.person()

    @settings(
        max_examples=100,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(path=PATHS, body=BODIES, whole=st.booleans())
    def send(path: str, body: Json, *, whole: bool) -> None:
        response = payer.gateway.post(path, json={**BODY, **body} if whole else body)
        assert "Traceback" not in response.text
        assert response.status_code != 402

    send()
    time.sleep(2)  # failures end a moment later
    until(lambda: len([e for e in payer.events() if e.status == "success"]) >= answered(money))
    paid = [event for event in payer.events() if event.status == "success"]
    assert len(paid) == answered(money)
    assert all(event.cost for event in paid)
    assert chat(payer.gateway, "paid").status_code == 200
