"""What a program can do with a tenant's gateway."""

import re

import httpx
import pytest

from tests.e2e.api import chat, client, content, stream
from tests.e2e.conftest import Running
from tests.e2e.identity import secret

pytestmark = pytest.mark.usefixtures("on_one_way")


def test_models_are_listed(alpha_tenant: Running, beta_tenant: Running) -> None:
    def names(running: Running) -> set[str]:
        with client(running) as gateway:
            return {model["id"] for model in gateway.get("/v1/models").json()["data"]}

    described = {model["name"] for model in alpha_tenant.tenant["litellm"]["models"]}
    assert names(alpha_tenant) == described
    assert names(beta_tenant) == {"demo-model", "demo-embedding"}


def test_the_demonstration_model_says_what_it_is_and_costs(beta_tenant: Running) -> None:
    with client(beta_tenant) as gateway:
        response = chat(gateway, "demo-model", "What is a tenant?")
    assert "demonstration model" in content(response)
    assert "What is a tenant?" in content(response)
    assert float(response.headers["x-litellm-response-cost"]) > 0
    assert response.json()["usage"]["total_tokens"] > 0


def test_the_demonstration_model_streams(beta_tenant: Running) -> None:
    with client(beta_tenant) as gateway:
        events = list(stream(gateway, "demo-model"))
    words = [event["choices"][0]["delta"].get("content") for event in events if event["choices"]]
    assert len([word for word in words if word]) > 20


def test_embeddings(alpha_tenant: Running, beta_tenant: Running) -> None:
    for running, model in ((alpha_tenant, "embed"), (beta_tenant, "demo-embedding")):
        with client(running) as gateway:
            response = gateway.post(
                "/v1/embeddings", json={"model": model, "input": ["one", "two"]}
            )
        assert response.status_code == 200, response.text
        assert [item["index"] for item in response.json()["data"]] == [0, 1]


@pytest.mark.parametrize("model", ["gpt", "claude", "gemini"])
def test_each_provider_answers_whole_and_streamed(alpha_tenant: Running, model: str) -> None:
    with client(alpha_tenant) as gateway:
        assert content(chat(gateway, model)) == f"answer from {model}"
        events = list(stream(gateway, model))
    deltas = [event["choices"][0]["delta"].get("content") or "" for event in events]
    assert "".join(deltas) == f"answer from {model}"


@pytest.mark.parametrize("key", ["sk-wrong", "sk-"])
def test_a_wrong_key_is_refused(beta_tenant: Running, key: str) -> None:
    with client(beta_tenant, key) as gateway:
        response = chat(gateway, "demo-model")
    assert response.status_code == 401
    assert "key" in response.json()["error"]["message"]


def test_the_key_of_one_tenant_is_refused_by_another(
    alpha_tenant: Running, beta_tenant: Running
) -> None:
    with client(beta_tenant, alpha_tenant.key) as gateway:
        assert chat(gateway, "demo-model").status_code == 401


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/model/info"),
    ("GET", "/get/config/callbacks"),
    ("GET", "/routes"),
    ("GET", "/health"),
    ("POST", "/model/new"),
    ("POST", "/key/generate"),
    ("POST", "/cache/flushall"),
    ("GET", "/openai/v1/models"),  # to the provider as it is, past every check
])  # fmt: skip
def test_open_webui_has_no_admin_rights(beta_tenant: Running, method: str, path: str) -> None:
    with client(beta_tenant, secret(beta_tenant, "OPENAI_API_KEY")) as gateway:
        response = gateway.request(method, path)
    assert response.status_code == 403
    assert "not allowed to call this route" in response.text


def test_metrics_are_for_the_operator(beta_tenant: Running) -> None:
    with client(beta_tenant, secret(beta_tenant, "OPENAI_API_KEY")) as gateway:
        assert gateway.get("/metrics").status_code == 403


def test_open_webui_may_do_what_a_chat_needs(beta_tenant: Running) -> None:
    with client(beta_tenant, secret(beta_tenant, "OPENAI_API_KEY")) as gateway:
        assert gateway.get("/v1/models").status_code == 200
        assert chat(gateway, "demo-model").status_code == 200


def test_the_master_key_has_admin_rights(beta_tenant: Running) -> None:
    with client(beta_tenant) as gateway:
        for path in ("/model/info", "/get/config/callbacks", "/routes"):
            assert gateway.get(path).status_code == 200, path
        # It would call every model, and nobody would pay.
        assert gateway.get("/health").status_code == 403


def test_the_docs_page_is_served(beta_tenant: Running) -> None:
    """The page and what it loads, to anybody: it says nothing of the tenant."""
    with httpx.Client(base_url=beta_tenant.api, timeout=60) as anybody:
        assert anybody.get("/").headers["location"].endswith("/docs")
        page = anybody.get("/docs")
        assert page.status_code == 200
        assert "swagger-ui" in page.text
        for path in re.findall(r'(?:href|src)="(/[^"]+)"', page.text):
            assert anybody.get(path).status_code == 200, path
        assert "/v1/chat/completions" in anybody.get("/openapi.json").json()["paths"]
