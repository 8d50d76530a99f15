"""Where a request goes, what it costs, and what stops it; every test is one on the real gateway."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.e2e.api import chat, client, content, stream
from tests.e2e.conftest import Running
from tests.e2e.identity import secret, token
from tests.e2e.waiting import until
from tests.providers.client import Providers

pytestmark = pytest.mark.usefixtures("on_one_way")

PROVIDERS = {"gpt": "OPENAI", "claude": "ANTHROPIC", "gemini": "GEMINI"}
ALLOWED_FAILURES = 5
COOLDOWN = 7
CACHE_TTL = 5
PERSON_REQUESTS = 20

Ask = Callable[[], httpx.Response]


@pytest.fixture(autouse=True)
def forgetful_providers(providers: Providers) -> None:
    providers.reset()


@pytest.fixture
def gateway(alpha_tenant: Running) -> Iterator[httpx.Client]:
    with client(alpha_tenant) as with_master_key:
        yield with_master_key


@pytest.fixture
def chat_gateway(alpha_tenant: Running) -> Iterator[httpx.Client]:
    """The gateway as Open WebUI uses it."""
    with client(alpha_tenant, secret(alpha_tenant, "OPENAI_API_KEY")) as with_its_key:
        yield with_its_key


@pytest.fixture
def least_busy(alpha_tenant: Running) -> Iterator[Running]:
    """Alpha with another strategy, for one test."""
    litellm = alpha_tenant.tenant["litellm"]
    routing = litellm["routing"] | {"strategy": "least-busy"}
    alpha_tenant.change({"litellm": litellm | {"routing": routing}})
    yield alpha_tenant
    alpha_tenant.change()


def chat_as(
    gateway: httpx.Client, header: dict[str, str], text: str = "Hello there", **more: Any
) -> httpx.Response:
    """One message of a person to `gpt`."""
    body = {"model": "gpt", "messages": [{"role": "user", "content": text}], **more}
    return gateway.post("/v1/chat/completions", json=body, headers=header)


def at_once(gateway: httpx.Client, model: str, *, requests: int, workers: int) -> None:
    """Send requests, some at a time; every one is answered."""
    with ThreadPoolExecutor(workers) as pool:
        for response in pool.map(lambda _: chat(gateway, model), range(requests)):
            assert response.status_code == 200, response.text


def cached(response: httpx.Response) -> bool:
    assert response.status_code == 200, response.text
    return "x-litellm-cache-key" in response.headers


# --- Which deployment


def test_requests_are_shared_out_by_weight(gateway: httpx.Client, providers: Providers) -> None:
    at_once(gateway, "balanced", requests=100, workers=8)
    heavy, light = (len(providers.deployment(name).calls()) for name in ("heavy", "light"))
    assert heavy + light == 100
    assert 1 <= light <= 30


def test_a_busy_deployment_gets_fewer_requests(least_busy: Running, providers: Providers) -> None:
    """By weight it would get nine of ten."""
    heavy, light = providers.deployment("heavy"), providers.deployment("light")
    heavy.set(delay_seconds=1)
    with client(least_busy) as gateway:
        at_once(gateway, "balanced", requests=30, workers=4)
    assert len(heavy.calls()) + len(light.calls()) == 30
    assert len(heavy.calls()) < 15


# --- What fails


@pytest.mark.parametrize(("down", "answers"), [
    (["first"], "second"),
    (["first", "second"], "third"),
])  # fmt: skip
def test_models_stand_in_for_another_in_order(
    gateway: httpx.Client, providers: Providers, down: list[str], answers: str
) -> None:
    for name in down:
        providers.deployment(name).set(status=500)
    assert content(chat(gateway, "first")) == f"answer from {answers}"
    for name in ("first", "second", "third"):
        assert bool(providers.deployment(name).calls()) == (name in {*down, answers}), name


@pytest.mark.parametrize("model", PROVIDERS)
def test_a_model_with_more_room_takes_what_is_too_long(
    gateway: httpx.Client, providers: Providers, model: str
) -> None:
    providers.deployment(model).set(context_window=5)
    assert content(chat(gateway, model, "short enough")) == f"answer from {model}"
    assert content(chat(gateway, model, "this is one word too long")) == "answer from roomy"
    assert len(providers.deployment(model).calls()) == 2, "it is not tried again"


def test_what_failed_is_tried_again(gateway: httpx.Client, providers: Providers) -> None:
    retried = providers.deployment("retried")
    retried.set(status=500, delay_seconds=1)
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(chat, gateway, "retried")
        until(retried.calls)
        retried.set()
    assert content(response.result()) == "answer from retried"
    assert len(retried.calls()) == 2


def test_what_the_provider_finds_wrong_is_not_tried_again(
    gateway: httpx.Client, providers: Providers
) -> None:
    retried = providers.deployment("retried")
    retried.set(status=400)
    assert chat(gateway, "retried").status_code == 400
    assert len(retried.calls()) == 1


def test_a_failing_deployment_is_left_out_for_a_while(
    gateway: httpx.Client, providers: Providers
) -> None:
    flaky = providers.deployment("flaky")
    flaky.set(status=500)

    def calls_after_a_request() -> int:
        assert content(chat(gateway, "cooling")) == "answer from steady"
        return len(flaky.calls())

    # LiteLLM counts once a request has ended: the last failure that is allowed may be too many.
    certain = ALLOWED_FAILURES - 1
    tried = [calls_after_a_request() for _ in range(certain)]
    since = time.monotonic()
    tried += [calls_after_a_request() for _ in range(certain)]
    assert tried[0] > 0
    assert sorted(set(tried[:certain])) == tried[:certain], "each of these has tried it"
    assert len(set(tried)) <= ALLOWED_FAILURES + 1
    assert tried[-1] == tried[-2]

    flaky.set()
    until(lambda: content(chat(gateway, "cooling")) == "answer from flaky")
    assert time.monotonic() - since > COOLDOWN - 0.5


@pytest.mark.all_only
def test_a_new_configuration_takes_up_what_was_left_out(
    alpha_tenant: Running, gateway: httpx.Client, providers: Providers
) -> None:
    flaky = providers.deployment("flaky")
    litellm = alpha_tenant.tenant["litellm"]
    long = litellm["routing"] | {"cooldown": "1h"}
    alpha_tenant.change({"litellm": litellm | {"routing": long}})
    try:
        flaky.set(status=500)
        for _ in range(2 * ALLOWED_FAILURES):
            assert content(chat(gateway, "cooling")) == "answer from steady"
        flaky.set()
        assert content(chat(gateway, "cooling")) == "answer from steady"
    finally:
        alpha_tenant.change()
    assert content(chat(gateway, "cooling")) == "answer from flaky"


def test_a_slow_provider_is_given_up(gateway: httpx.Client, providers: Providers) -> None:
    slow = providers.deployment("slow")
    slow.set(delay_seconds=30)
    began = time.monotonic()
    assert content(chat(gateway, "slow")) == "answer from roomy"
    assert 6 <= time.monotonic() - began < 20, "two tries of three seconds"
    assert [call.answered for call in slow.calls()] == [False, False]


def test_a_stream_whose_provider_dies_ends_with_an_error(
    alpha_tenant: Running, gateway: httpx.Client, providers: Providers
) -> None:
    started = alpha_tenant.container("litellm").attrs["State"]["StartedAt"]
    # What is sent right before the end may be lost with it, so the first word comes earlier.
    providers.deployment("dying").set(die_after_chunks=2, chunk_delay_seconds=0.3)
    *said, last = stream(gateway, "dying")
    words = [event["choices"][0]["delta"]["content"] for event in said]
    assert "".join(words).strip() in ("answer", "answer from")
    assert last["error"]["message"].startswith("The provider")

    providers.reset()
    assert content(chat(gateway, "dying")) == "answer from dying"
    assert alpha_tenant.container("litellm").attrs["State"]["StartedAt"] == started


# --- Cache


def asking_for_the_cache(gateway: httpx.Client, text: str) -> Ask:
    return lambda: chat(gateway, "gpt", text, cache={"use-cache": True})


def test_an_answer_is_reused_only_where_that_is_asked_for(
    gateway: httpx.Client, providers: Providers
) -> None:
    gpt, text = providers.deployment("gpt"), "What is reused?"
    ask = asking_for_the_cache(gateway, text)
    assert not cached(ask())
    until(lambda: cached(ask()))
    seen = len(gpt.calls())
    reused = ask()
    assert cached(reused)
    assert content(reused) == "answer from gpt"
    assert len(gpt.calls()) == seen

    assert not cached(chat(gateway, "gpt", text))
    assert len(gpt.calls()) == seen + 1


def test_an_answer_is_not_reused_for_another_question(gateway: httpx.Client) -> None:
    ask = asking_for_the_cache(gateway, "What is the first question?")
    ask()
    until(lambda: cached(ask()))
    assert not cached(asking_for_the_cache(gateway, "What is the second question?")())


def test_people_share_the_cache(alpha_tenant: Running, chat_gateway: httpx.Client) -> None:
    key = secret(alpha_tenant, "FORWARD_USER_INFO_HEADER_JWT_SECRET")

    def ask(person: str) -> httpx.Response:
        header = token(key, f"{person}@example.com")
        return chat_as(chat_gateway, header, "What is shared?", cache={"use-cache": True})

    assert not cached(ask("one"))
    until(lambda: cached(ask("two")))
    assert content(ask("two")) == content(ask("one")) == "answer from gpt"


def test_an_answer_is_forgotten_in_time(gateway: httpx.Client) -> None:
    ask = asking_for_the_cache(gateway, "What is forgotten?")
    began = time.monotonic()
    ask()
    until(lambda: cached(ask()), seconds=CACHE_TTL)
    until(lambda: not cached(ask()))
    assert time.monotonic() - began > CACHE_TTL - 0.5


# --- Limits


def test_requests_beyond_the_limit_of_a_deployment_are_refused(
    gateway: httpx.Client, providers: Providers
) -> None:
    """Two a minute; the five may lie in two minutes of the clock."""
    responses = [chat(gateway, "limited") for _ in range(5)]
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {200, 429}
    assert 2 <= statuses.count(200) <= 4
    assert statuses.count(200) == len(providers.deployment("limited").calls())
    refused = responses[statuses.index(429)].json()["error"]["message"]
    assert "RPM limit=2" in refused


def test_tokens_beyond_the_limit_of_a_deployment_are_refused(
    gateway: httpx.Client, providers: Providers
) -> None:
    metered = providers.deployment("metered")
    metered.set(prompt_tokens=1001)
    assert chat(gateway, "metered").status_code == 200
    until(lambda: chat(gateway, "metered").status_code == 429)


def test_each_person_has_a_limit_of_requests(
    alpha_tenant: Running, chat_gateway: httpx.Client
) -> None:
    key = secret(alpha_tenant, "FORWARD_USER_INFO_HEADER_JWT_SECRET")
    busy = token(key, "busy@example.com")
    statuses = [chat_as(chat_gateway, busy).status_code for _ in range(PERSON_REQUESTS + 1)]
    assert statuses == [200] * PERSON_REQUESTS + [429]
    assert "busy@example.com" in chat_as(chat_gateway, busy).json()["error"]["message"]
    assert chat_as(chat_gateway, token(key, "calm@example.com")).status_code == 200


def test_each_person_has_a_limit_of_tokens(
    alpha_tenant: Running, chat_gateway: httpx.Client, providers: Providers
) -> None:
    key = secret(alpha_tenant, "FORWARD_USER_INFO_HEADER_JWT_SECRET")
    wordy = token(key, "wordy@example.com")
    providers.deployment("gpt").set(prompt_tokens=100_001)
    assert chat_as(chat_gateway, wordy).status_code == 200
    until(lambda: chat_as(chat_gateway, wordy).status_code == 429)
    assert chat_as(chat_gateway, token(key, "brief@example.com")).status_code == 200


def test_nobody_is_believed_whom_open_webui_does_not_vouch_for(
    alpha_tenant: Running, chat_gateway: httpx.Client
) -> None:
    """A request in the name of somebody at the limit is refused only if the name is believed."""
    key = secret(alpha_tenant, "FORWARD_USER_INFO_HEADER_JWT_SECRET")
    victim = "victim@example.com"
    forged = {
        "another secret": token("another secret, as long as a real one is", victim),
        "no algorithm": token(key, victim, algorithm="none"),
        "an expired one": token(key, victim, seconds=-60),
        "no signature": {"X-OpenWebUI-User-Jwt": victim},
    }
    for _ in range(PERSON_REQUESTS):
        assert chat_as(chat_gateway, token(key, victim)).status_code == 200
    assert chat_as(chat_gateway, token(key, victim)).status_code == 429
    for what, header in forged.items():
        assert chat_as(chat_gateway, header).status_code == 401, what
    assert chat_as(chat_gateway, {"X-OpenWebUI-User-Email": victim}).status_code == 200
    assert chat_as(chat_gateway, {"x-litellm-customer-id": victim}).status_code == 403
    assert chat_as(chat_gateway, {}, user=victim).status_code == 200, "the user of the body"


# --- What a provider sees, and what it costs


@pytest.mark.parametrize("model", PROVIDERS)
def test_a_provider_sees_its_key_and_nothing_of_ours(
    alpha_tenant: Running, chat_gateway: httpx.Client, providers: Providers, model: str
) -> None:
    key = secret(alpha_tenant, "FORWARD_USER_INFO_HEADER_JWT_SECRET")
    header = token(key, "private@example.com")
    chat_gateway.headers.update(header)
    assert content(chat(chat_gateway, model)) == f"answer from {model}"
    (call,) = providers.deployment(model).calls()
    assert call.api_key == os.environ[f"CLOUDFREEDOM_PROVIDER_KEY_{PROVIDERS[model]}"]

    seen = call.model_dump_json().lower()
    ours = [
        *(alpha_tenant.key, secret(alpha_tenant, "OPENAI_API_KEY"), key),
        *("private@example.com", header["X-OpenWebUI-User-Jwt"], "x-openwebui"),
    ]
    assert [text for text in ours if text.lower() in seen] == []
    others = {os.environ[f"CLOUDFREEDOM_PROVIDER_KEY_{name}"] for name in PROVIDERS.values()}
    assert [key for key in others - {call.api_key} if key in seen] == []


@pytest.mark.parametrize("model", PROVIDERS)
def test_a_request_costs_its_tokens_at_the_price_of_the_file(
    gateway: httpx.Client, providers: Providers, model: str
) -> None:
    """The price is 1 a million for the prompt, and 2 for the answer."""
    providers.deployment(model).set(prompt_tokens=1_234, completion_tokens=567)
    cost = Decimal(chat(gateway, model).headers["x-litellm-response-cost"])
    assert round(cost, 9) == Decimal("0.002368")
