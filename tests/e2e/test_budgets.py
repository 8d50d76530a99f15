"""Who pays what: every test is one on the real gateway and a real Billing API."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.api import chat, client, content, stream
from tests.e2e.identity import secret, token
from tests.e2e.money import Money, Payer, cost, message
from tests.e2e.waiting import until

pytestmark = pytest.mark.usefixtures("on_one_way")

Json = dict[str, Any]

CHAT: Json = {"messages": [{"role": "user", "content": "Hello there"}]}


# --- What a request costs


@pytest.mark.parametrize(("model", "path", "body"), [
    ("paid", "/v1/chat/completions", CHAT),
    ("paid", "/v1/chat/completions", {**CHAT, "stream": True}),
    ("claude", "/v1/chat/completions", {**CHAT, "stream": True}),
    ("gemini", "/v1/chat/completions", CHAT),
    ("gemini", "/v1/chat/completions", {**CHAT, "stream": True}),
    ("embed", "/v1/embeddings", {"input": ["one two", "three"]}),
    ("claude", "/v1/messages", {**CHAT, "max_tokens": 50}),
    ("claude", "/v1/messages", {**CHAT, "max_tokens": 50, "stream": True}),
    ("paid", "/v1/messages", {**CHAT, "max_tokens": 50}),
    ("paid", "/v1/responses", {"input": "Hello there"}),
    ("paid", "/v1/responses", {"input": "Hello there", "stream": True}),
    ("paid", "/v1/completions", {"prompt": "Hello there"}),
])  # fmt: skip
def test_a_request_costs_what_the_provider_counted(
    money: Money, model: str, path: str, body: Json
) -> None:
    payer = money.program("reports", "reports@example.com")
    before = len(payer.events())
    response = payer.gateway.post(path, json={"model": model, **body})
    assert response.status_code == 200, response.text
    event = payer.events_after(before + 1)[-1]
    [counted] = money.counted(model)
    assert (event.tokens_input, event.tokens_output) == counted
    assert event.cost == cost(*counted) > 0
    assert (event.status, event.estimated, event.model) == ("success", False, model)


def test_each_pays_for_what_they_ask(money: Money) -> None:
    payers = [
        money.person(),
        money.person(),
        money.program("reports", "reports@example.com"),
        money.account(),
    ]
    before = [payer.spent() for payer in payers]
    for number, payer in enumerate(payers, start=1):
        for _ in range(number):
            content(chat(payer.gateway, "paid"))
    one = cost(*money.counted("paid")[0])
    due = [spent + number * one for number, spent in enumerate(before, start=1)]
    until(lambda: [payer.spent() for payer in payers] == due)


def test_a_chat_of_nobody_is_paid_by_the_tenant(money: Money) -> None:
    account, victim = money.account(), money.person()
    key = secret(money.running, "OPENAI_API_KEY")
    headers: list[dict[str, str]] = [{}, {"X-OpenWebUI-User-Email": victim.name}]
    before = len(account.events())
    with client(money.running, key) as gateway:
        for header in headers:
            body = {"model": "paid", "user": victim.name, **CHAT}
            response = gateway.post("/v1/chat/completions", json=body, headers=header)
            assert response.status_code == 200, response.text
    account.events_after(before + len(headers))
    assert victim.events() == []


def test_a_chat_of_somebody_who_is_not_vouched_for_is_refused(money: Money) -> None:
    account, victim = money.account(), money.person()
    vouching, key = (
        secret(money.running, name)
        for name in ("FORWARD_USER_INFO_HEADER_JWT_SECRET", "OPENAI_API_KEY")
    )
    headers = [
        token("another secret of the same length", victim.name),
        token("", victim.name, algorithm="none"),
        token(vouching, victim.name, algorithm="HS512"),
        token(vouching, victim.name, seconds=-1),
        {"X-OpenWebUI-User-Jwt": victim.name},
        {"X-OpenWebUI-User-Jwt": ""},
    ]
    before = len(account.events())
    with client(money.running, key) as gateway:
        for header in headers:
            response = gateway.post(
                "/v1/chat/completions", json={"model": "paid", **CHAT}, headers=header
            )
            assert response.status_code == 401, header
            assert "proof of who asks" in message(response)
    assert money.counted("paid") == []
    assert len(account.events()) == before
    assert victim.events() == []


def test_a_model_may_be_free(money: Money) -> None:
    payer = money.person("0.000000001")
    content(chat(payer.gateway, "free"))
    [event] = payer.events_after(1)
    assert (event.cost, event.tokens_output) == (0, 3)


@pytest.mark.parametrize("total", ["0", "0.0000001"])
def test_a_free_model_answers_whoever_is_known(money: Money, total: str) -> None:
    payer, stranger = money.person(total), money.person(None)
    assert chat(payer.gateway, "paid").status_code == 402
    content(chat(payer.gateway, "free"))
    assert chat(payer.gateway, "paid").status_code == 402
    payer.events_after(1)
    assert chat(stranger.gateway, "free").status_code == 402
    # Another one without a budget has none to be used up.
    payer.budget(None)
    until(lambda: chat(payer.gateway, "free").status_code == 402, seconds=40)


def test_a_known_price_is_in_dollars_and_the_budget_is_not(money: Money) -> None:
    """A million tokens of gpt-4.1 are 2 dollars in and 8 out, and a dollar is half a euro."""
    money.providers.deployment("known").set(prompt_tokens=1000, completion_tokens=4)
    payer = money.person()
    content(chat(payer.gateway, "known"))
    [event] = payer.events_after(1)
    assert (event.cost, event.currency) == (1_000_000 + 16_000, "EUR")


def test_more_than_was_set_aside_is_said(money: Money) -> None:
    money.providers.deployment("paid").set(prompt_tokens=25_501, completion_tokens=3)
    payer = money.person()
    content(chat(payer.gateway, "paid", max_tokens=100))
    [event] = payer.events_after(1)
    assert event.cost == cost(25_501, 3)
    assert 0 < event.cost - event.over_reserved < cost(1000, 100)


# --- What a provider does not count


@pytest.mark.parametrize(("model", "path", "body"), [
    ("paid", "/v1/chat/completions", CHAT),
    ("paid", "/v1/messages", {**CHAT, "max_tokens": 50}),
    ("paid", "/v1/responses", {"input": "Hello there"}),
    ("paid", "/v1/completions", {"prompt": "Hello there"}),
    ("thinker", "/v1/chat/completions", CHAT),
    ("claude", "/v1/chat/completions", CHAT),
    ("gemini", "/v1/chat/completions", CHAT),
])  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_words_are_counted_where_a_provider_does_not(
    money: Money, model: str, path: str, body: Json, stream: bool
) -> None:
    if not stream and model in ("claude", "gemini"):
        pytest.skip("LiteLLM takes no such answer")
    money.providers.deployment(model).set(counts=False)
    payer = money.person()
    # The chat's key may not use every route, so the person's own program asks.
    program = money.program("reports", "reports@example.com")
    caller = payer if path == "/v1/chat/completions" else program
    before = len(caller.events())
    request = {"model": model, "stream": stream, **body}
    assert caller.gateway.post(path, json=request).status_code == 200
    event = caller.events_after(before + 1)[-1]
    assert event.estimated
    assert event.tokens_input < 40
    assert event.tokens_output in (3, 4)
    assert event.cost == cost(event.tokens_input, event.tokens_output)


def test_embeddings_are_counted_where_a_provider_does_not(money: Money) -> None:
    money.providers.deployment("embed").set(counts=False)
    payer = money.person()
    body = {"model": "embed", "input": ["one two", "three"]}
    assert payer.gateway.post("/v1/embeddings", json=body).status_code == 200
    [event] = payer.events_after(1)
    assert event.estimated
    assert 3 <= event.tokens_input < 20
    assert event.cost == cost(event.tokens_input, 0)


def test_a_server_that_takes_no_stream_options_streams(money: Money) -> None:
    money.providers.deployment("picky").set(takes_stream_options=False)
    payer = money.person()
    assert list(stream(payer.gateway, "picky"))
    [event] = payer.events_after(1)
    assert (event.estimated, event.tokens_output) == (True, 3)
    assert event.cost == cost(event.tokens_input, 3)


def test_a_stream_of_a_thinking_model_that_the_caller_leaves_is_paid_in_full(money: Money) -> None:
    """Nobody here sees what it thought, and the provider bills that, too."""
    money.providers.deployment("thinker").set(chunk_delay_seconds=0.5)
    payer = money.person()
    body = {"model": "thinker", "stream": True, "max_tokens": 5000, **CHAT}
    with payer.gateway.stream("POST", "/v1/chat/completions", json=body) as response:
        next(response.iter_lines())
    [event] = payer.events_after(1)
    assert event.estimated
    assert event.tokens_output == 5000
    assert event.cost == cost(event.tokens_input, 5000)
    assert event.over_reserved == 0


def test_a_cached_answer_costs_nothing(money: Money) -> None:
    payer = money.person()
    text = f"Hello {payer.name}"
    for _ in range(2):
        content(chat(payer.gateway, "paid", text, cache={"use-cache": True}))
    first, second = payer.events_after(2)
    assert first.cost == cost(*money.counted("paid")[0])
    assert (second.cost, second.tokens_input, second.tokens_output) == (0, 0, 0)


def test_a_fallback_is_paid_once(money: Money) -> None:
    money.providers.deployment("broken").set(status=500)
    payer = money.person()
    content(chat(payer.gateway, "broken"))
    [event] = payer.events_after(1)
    assert event.cost == cost(*money.counted("claude")[0])
    assert (event.model, event.model_used) == ("broken", "claude")


def test_a_failure_costs_nothing_and_is_logged(money: Money) -> None:
    money.providers.deployment("cut").set(status=400)
    payer = money.person()
    assert chat(payer.gateway, "cut").status_code == 400
    [event] = payer.events_after(1)
    assert (event.cost, event.status) == (0, "failure")
    content(chat(payer.gateway, "paid"))


def test_a_stream_that_the_caller_leaves_is_paid_as_far_as_it_came(money: Money) -> None:
    money.providers.deployment("paid").set(chunk_delay_seconds=0.5)
    payer = money.person()
    events = stream(payer.gateway, "paid")
    next(events)
    next(events)
    events.close()  # type: ignore[attr-defined]
    [event] = payer.events_after(1)
    assert event.estimated
    assert event.cost > 0
    assert 0 < event.tokens_output < 3


def test_a_stream_that_the_provider_leaves_is_paid_as_far_as_it_came(money: Money) -> None:
    money.providers.deployment("cut").set(die_after_chunks=2)
    payer = money.person()
    list(stream(payer.gateway, "cut"))
    [event] = payer.events_after(1)
    assert event.estimated
    assert event.cost > 0


def test_a_caller_who_does_not_wait_pays_all_the_same(money: Money) -> None:
    money.providers.deployment("paid").set(delay_seconds=1.5)
    payer = money.person()
    with pytest.raises(httpx.ReadTimeout):
        payer.gateway.post("/v1/chat/completions", json={"model": "paid", **CHAT}, timeout=0.5)
    [event] = payer.events_after(1)
    assert event.cost == cost(*money.counted("paid")[0])


# --- What a budget allows


def test_a_spent_budget_is_refused_in_words(money: Money) -> None:
    money.providers.deployment("paid").set(prompt_tokens=100, completion_tokens=450)
    payer = money.person("0.001")
    content(chat(payer.gateway, "paid", max_tokens=450))
    until(lambda: payer.spent() == 1_000_000)
    calls = len(money.counted("paid"))
    response = chat(payer.gateway, "paid")
    assert response.status_code == 402
    assert "budget" in message(response)
    assert "0.001" in message(response)
    assert response.json()["error"]["type"] == "budget_exceeded"
    assert len(money.counted("paid")) == calls


def test_too_little_is_left_for_the_prompt(money: Money) -> None:
    payer = money.person("0.001")
    response = chat(payer.gateway, "paid", "many words " * 2000)
    assert response.status_code == 402
    assert "0.00 EUR is used" in message(response)
    assert "Ask your administrator" in message(response)
    assert money.counted("paid") == []
    assert payer.events() == []


def test_the_messages_route_refuses_in_its_own_shape(money: Money) -> None:
    payer = money.program("reports", "reports@example.com")
    payer.budget("0")
    try:
        until(lambda: chat(payer.gateway, "paid").status_code == 402, seconds=40)
        body = {"model": "claude", "max_tokens": 9, **CHAT}
        response = payer.gateway.post("/v1/messages", json=body)
    finally:
        payer.budget("1000")
    assert response.status_code == 402
    assert response.json()["type"] == "error"
    assert "budget" in response.json()["error"]["message"]


def test_an_answer_is_no_longer_than_what_is_left(money: Money) -> None:
    """What is left is worth 100 tokens of an answer, and the provider is told so."""
    payer = money.person("0.001")
    money.providers.deployment("paid").set(prompt_tokens=10, completion_tokens=300)
    content(chat(payer.gateway, "paid", max_tokens=300))
    until(lambda: payer.spent() == cost(10, 300))
    money.providers.deployment("paid").set(prompt_tokens=10, completion_tokens=100)
    content(chat(payer.gateway, "paid", max_tokens=4000))
    limit = money.providers.deployment("paid").calls()[-1].body["max_tokens"]
    assert 150 < limit < 195


def test_a_model_that_thinks_is_not_left_without_words(money: Money) -> None:
    """It needs 2,560 tokens of an answer, for 0.00512."""
    poor = money.person("0.003")
    refused = chat(poor.gateway, "thinker")
    assert refused.status_code == 402
    assert "it would take at least 0.005" in message(refused)
    assert chat(poor.gateway, "thinker", reasoning_effort="none").status_code == 200
    payer = money.person("0.01")
    answer = chat(payer.gateway, "thinker")
    limit = money.providers.deployment("thinker").calls()[-1].body["max_completion_tokens"]
    assert 2560 <= limit <= 5000
    assert answer.headers["x-cloudfreedom-answer-tokens"] == str(limit)


def test_a_limit_is_not_lowered_below_the_budget_for_thinking(money: Money) -> None:
    thinking = {"type": "enabled", "budget_tokens": 8000}
    payer = money.person("0.01")
    refused = chat(payer.gateway, "claude", max_tokens=16_000, thinking=thinking)
    assert refused.status_code == 402
    assert money.counted("claude") == []


def test_images_are_never_billed_above_what_was_set_aside(money: Money) -> None:
    """The provider counts each for 25,501 tokens; the budget holds one of them."""
    payer = money.person("0.03")
    money.providers.deployment("pictures").set(prompt_tokens=25_501, delay_seconds=0.5)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    body = {
        "model": "pictures",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": [image]}],
    }
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: post(payer, body), range(20)))
    assert sorted(set(statuses)) in ([200, 402], [200, 402, 429], [200, 429])
    assert statuses.count(200) == 1
    payer.events_after(1)
    assert payer.spent() <= 30_000_000


def post(payer: Payer, body: dict[str, Any]) -> int:
    return payer.gateway.post("/v1/chat/completions", json=body).status_code


@pytest.mark.parametrize(("total", "words"), [("0", "budget"), (None, "")])
def test_nobody_and_nothing(money: Money, total: str | None, words: str) -> None:
    payer = money.person(total)
    response = chat(payer.gateway, "paid")
    assert response.status_code == 402
    assert words in message(response)
    assert money.counted("paid") == []


def test_a_person_without_a_budget(money: Money) -> None:
    payer = money.person("0")
    payer.budget(None)
    response = chat(payer.gateway, "paid")
    assert response.status_code == 402
    assert "budget" in message(response)


def test_a_budget_that_is_raised_counts_at_once(money: Money) -> None:
    payer = money.person("0")
    assert chat(payer.gateway, "paid").status_code == 402
    payer.budget("1")
    until(lambda: chat(payer.gateway, "paid").status_code == 200, seconds=2)


@pytest.mark.parametrize("callers", [50, 200])
def test_many_at_once_never_spend_more_and_can_spend_all(money: Money, callers: int) -> None:
    """A budget for 20 answers of 10 and 100 tokens."""
    payer = money.person("0.0042")
    money.providers.deployment("paid").set(
        delay_seconds=0.3, prompt_tokens=10, completion_tokens=100
    )
    statuses: list[int] = []
    for _ in range(3):
        statuses += asyncio.run(at_once(payer, callers))
    assert set(statuses) <= {200, 402, 429}
    counted = money.counted("paid")
    assert len(counted) == statuses.count(200)
    until(lambda: payer.spent() == sum(cost(*tokens) for tokens in counted))
    assert 0.95 * 4_200_000 <= payer.spent() <= 4_200_000


async def at_once(payer: Payer, callers: int) -> list[int]:
    """What so many callers are answered."""
    known = payer.gateway
    body = {"model": "paid", "max_tokens": 100, **CHAT}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=known.base_url, headers=known.headers, timeout=60, limits=limits
    ) as gateway:
        asked = [gateway.post("/v1/chat/completions", json=body) for _ in range(callers)]
        return [response.status_code for response in await asyncio.gather(*asked)]


def test_a_key_is_for_its_models(money: Money) -> None:
    narrow = money.program("narrow", "narrow@example.com")
    assert chat(narrow.gateway, "claude").status_code == 200
    response = chat(narrow.gateway, "paid")
    assert response.status_code == 403
    assert "claude" in message(response)


def test_a_key_has_its_own_rate_limit(money: Money) -> None:
    slow, other = money.program("slow_one", "slow@example.com"), money.person()
    statuses = [chat(slow.gateway, "paid").status_code for _ in range(4)]
    assert statuses.count(429) == 2
    assert chat(other.gateway, "paid").status_code == 200


# --- What is seen


def test_metrics_tell_what_happens(money: Money) -> None:
    def metric(name: str) -> float:
        with client(money.running) as operator:
            text = operator.get("/metrics").text
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        )

    payer, poor = money.person(), money.person("0")
    until(lambda: metric("gateway_reservations") == 0)
    names = ["gateway_allowed_total", "gateway_refused_total", "gateway_settled_total"]
    before = {name: metric(name) for name in names}
    content(chat(payer.gateway, "paid"))
    assert chat(poor.gateway, "paid").status_code == 402
    payer.events_after(1)
    assert {name: metric(name) - before[name] for name in names} == dict.fromkeys(names, 1)
    until(lambda: metric("gateway_outbox_events") == metric("gateway_reservations") == 0)
    assert metric("gateway_billing_up") == 1


def test_a_request_is_one_line_in_the_log_without_its_words(money: Money) -> None:
    payer: Payer = money.person()
    content(chat(payer.gateway, "paid", "my own secret words"))
    [event] = payer.events_after(1)
    # A busy engine is late with a line.
    until(lambda: event.request_id in money.running.log("litellm"))
    log = money.running.log("litellm")
    lines = [json.loads(line) for line in log.splitlines() if event.request_id in line]
    assert [(line["event"], line["user_id"]) for line in lines] == [("request", payer.name)]
    assert "my own secret words" not in log
    assert "answer from paid" not in log
