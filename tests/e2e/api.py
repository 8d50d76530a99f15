"""A program at a tenant's gateway."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from tests import connections
from tests.e2e.conftest import Running


def client(running: Running, key: str | None = None) -> httpx.Client:
    """A client with the master key, or another."""
    headers = {"Authorization": f"Bearer {key or running.key}"}
    return connections.client(base_url=running.api, headers=headers, timeout=60)


def chat(
    gateway: httpx.Client, model: str, text: str = "Hello there", **more: Any
) -> httpx.Response:
    """One message, and the whole response, whatever its status."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return gateway.post("/v1/chat/completions", json=body)


def content(response: httpx.Response) -> str:
    """The text of an answer."""
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


def stream(
    gateway: httpx.Client, model: str, text: str = "Hello there"
) -> Iterator[dict[str, Any]]:
    """The events of a streamed answer, as they come."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
    with gateway.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))
