"""What a program can do with a tenant's gateway."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from gateway.routes import OPEN_ROUTES, is_listed
from tests.e2e.api import chat, client, content, stream
from tests.e2e.conftest import Running
from tests.e2e.identity import secret
from tests.providers.client import Providers

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


# Run in a container of its own, for LiteLLM would not fit twice into the tenant's.
_LIST_ROUTES = """
import json
from litellm.proxy.proxy_server import app

def walk(routes, prefix=""):
    for route in routes:
        path = prefix + getattr(route, "path", "")
        inner = getattr(route, "routes", None)
        if inner:
            yield from walk(inner, path)
        yield path, sorted(getattr(route, "methods", None) or ["GET"])

print(json.dumps(list(walk(app.routes))))
"""
CHAT_ROUTES = (
    "/v1/models",
    "/v1/models/{model}",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/images/generations",
)
_METHODS = ("get", "post", "put", "patch", "delete")


def _routes(running: Running) -> set[tuple[str, str]]:
    """Every method and path that LiteLLM has, by its own lists."""
    image = str(running.container("litellm").attrs["Image"])
    command = ["python3", "-c", _LIST_ROUTES]
    output = running.engine.containers.run(image, command, entrypoint="", remove=True)
    listed = json.loads(output.decode().splitlines()[-1])
    found = {(method, path) for path, methods in listed for method in methods}
    with httpx.Client(base_url=running.api, timeout=60) as anybody:
        documented = anybody.get("/openapi.json").json()["paths"]
    found |= {
        (method.upper(), path)
        for path, methods in documented.items()
        for method in methods
        if method in _METHODS
    }
    return {(method, re.sub(r"\{[^}]*\}", "x", path) or "/") for method, path in found}


def test_every_route_is_closed_but_those_of_a_key(beta_tenant: Running) -> None:
    routes = _routes(beta_tenant)
    assert len({path for _, path in routes}) > 700
    master = beta_tenant.key
    chats = secret(beta_tenant, "OPENAI_API_KEY")
    opened: dict[str, set[str]] = {"": set(), chats: set(), master: set()}
    for key, found in opened.items():
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with httpx.Client(base_url=beta_tenant.api, headers=headers, timeout=60) as caller:
            for method, path in sorted(routes):
                # A request that is let through is not what a route wants, so it does nothing.
                if caller.request(method, path).status_code not in (401, 403):
                    found.add(path)
    assert opened[""] <= {*OPEN_ROUTES} | {path for path in opened[""] if path[:9] == "/swagger/"}
    for path in opened[chats] - opened[""]:
        assert is_listed(path, CHAT_ROUTES), path
    assert "/v1/chat/completions" in opened[chats] & opened[master]
    for path in ("/key/generate", "/model/new", "/cache/flushall", "/health", "/sso/cli/start"):
        assert path not in opened[master], path


MARKER = "MARKED-WORDS"


def test_the_log_has_no_words_of_requests(alpha_tenant: Running, providers: Providers) -> None:
    """Through an answer, a refusal, a failing provider, a client that leaves, a broken body."""
    since = time.time() - 1
    with client(alpha_tenant) as gateway:
        assert chat(gateway, "gpt", MARKER).status_code == 200
        assert chat(gateway, "gpt", MARKER, messages=MARKER).status_code == 400
        assert gateway.post("/v1/chat/completions", content=f"{{{MARKER}").status_code == 400
        assert chat(gateway, "no-such-model", MARKER).status_code == 400
        providers.deployment("retried").set(status=500)
        failed = chat(gateway, "retried", MARKER)
        providers.deployment("retried").set(status=400)
        refused = chat(gateway, "retried", MARKER)
        providers.reset()
        body = {"model": "gpt", "stream": True, "messages": [{"role": "user", "content": MARKER}]}
        with gateway.stream("POST", "/v1/chat/completions", json=body) as response:
            next(response.iter_lines())
    assert failed.status_code == 500
    assert "The provider of the model `retried` (OpenAI) failed" in failed.text
    assert refused.json()["error"]["message"] == "Bad Request"
    for response in (failed, refused):
        assert "x-litellm-version" not in response.headers
        assert "x-litellm-model-api-base" not in response.headers
    time.sleep(2)
    log = alpha_tenant.log("litellm", since=since)
    assert MARKER not in log
    assert "Traceback" not in log
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["status"] for line in lines if line["event"] in ("refused", "failed")] == [
        400, 400, 400, 500, 400,
    ]  # fmt: skip


def test_bodies_are_bounded(alpha_tenant: Running) -> None:
    """With a key and without one; and as many at once as anybody likes."""
    started = alpha_tenant.container("litellm").attrs["State"]["StartedAt"]
    too_large = b"x" * 21 * 1024 * 1024
    largest = json.dumps({
        "model": "gpt", "messages": [{"role": "user", "content": "x" * 19_000_000}]
    }).encode()  # fmt: skip

    def send(body: bytes, key: str = alpha_tenant.key) -> int:
        with client(alpha_tenant, key) as gateway:
            try:
                response = gateway.post("/v1/chat/completions", content=body, timeout=180)
            except httpx.TransportError:  # it was refused, and the rest of the body not read
                return 503
            return response.status_code

    assert send(too_large) == 413
    # Nobody reads the body of a request without a key, whatever its size.
    assert send(too_large, "sk-wrong") in (401, 413)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, [largest] * 8)) <= {200, 429, 503}
    container = alpha_tenant.container("litellm")
    assert container.attrs["State"]["StartedAt"] == started
    with client(alpha_tenant) as gateway:
        assert chat(gateway, "gpt").status_code == 200
