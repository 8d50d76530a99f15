"""What a program can do with a tenant's gateway."""

import pytest

from tests.e2e.api import chat, client, content, stream
from tests.e2e.conftest import Running


def test_models_are_listed(alpha_tenant: Running, beta_tenant: Running) -> None:
    def names(running: Running) -> set[str]:
        with client(running) as gateway:
            return {model["id"] for model in gateway.get("/v1/models").json()["data"]}

    assert names(alpha_tenant) == {"gpt", "claude", "gemini", "balanced", "limited", "embed"}
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


def test_open_webui_has_no_admin_rights(beta_tenant: Running) -> None:
    _, key = beta_tenant.run("openwebui", "cat", "/run/secrets/env/OPENAI_API_KEY", user="0")
    with client(beta_tenant, key) as gateway:
        assert chat(gateway, "demo-model").status_code == 200
        assert gateway.get("/config/yaml").status_code in (401, 403, 404)
        assert gateway.get("/health").status_code in (401, 403)
    with client(beta_tenant) as gateway:
        assert gateway.get("/v1/models").status_code == 200


def test_the_docs_page_is_served(beta_tenant: Running) -> None:
    with client(beta_tenant) as gateway:
        response = gateway.get("/docs")
    assert response.status_code == 200
    assert "swagger" in response.text.lower()
