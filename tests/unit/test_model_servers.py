"""Servers of one's own: their names, their keys, and the way to the Docker host."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import HttpUrl, TypeAdapter, ValidationError

from cli.export.recording import CONTAINER
from components.services.litellm_config import litellm_config
from schema.diagnostics import InvalidFileError
from tenants.litellm import ModelName
from tenants.url import ReachableUrl
from tests.unit.conftest import ACME, load_acme, run_acme

PRICE = "price: {input_per_million: 1, output_per_million: 2}"
MODEL = "openai/meta-llama/Llama-3.3-70B-Instruct"
NAMES, URLS = TypeAdapter(ModelName), TypeAdapter(ReachableUrl)


def text(deployment: str, name: str = "own") -> str:
    return f"{ACME}  models:\n    - name: {name}\n      deployments: [{{{deployment}}}]\n"


def params(folder: Path, deployment: str) -> dict[str, Any]:
    [only] = litellm_config(load_acme(folder, text(deployment)))["model_list"]
    return dict(only["litellm_params"])


def problem(folder: Path, deployment: str) -> str:
    with pytest.raises(InvalidFileError) as refused:
        load_acme(folder, text(deployment))
    return str(refused.value)


@pytest.mark.parametrize("model", [
    MODEL, "openai/anthropic/claude-sonnet-4.5", "openai/qwen3:32b", "openai/a/b/c@1+2~x",
    "hosted_vllm/qwen/qwen3", "openrouter/anthropic/claude-sonnet-4.5", "mistral/mistral-large",
])  # fmt: skip
def test_a_model_keeps_its_name_at_its_server(tmp_path: Path, model: str) -> None:
    server = f"model: {model}, api_base: 'http://192.0.2.7:8000/v1', {PRICE}"
    assert params(tmp_path, server)["model"] == model


def test_a_server_without_a_key_needs_none(tmp_path: Path) -> None:
    server = f"model: {MODEL}, key: none, api_base: 'http://192.0.2.7:8000/v1', {PRICE}"
    assert params(tmp_path, server)["api_key"] == "none"
    more = text(server).removeprefix(ACME)
    run_acme(more, providerKeys="{}")  # and nobody is asked for one


def test_a_provider_needs_a_key(tmp_path: Path) -> None:
    assert problem(tmp_path, "model: openai/gpt-4o, key: none").endswith(
        'deployments.0.key = "none": only for a server of your own: give its `api_base`'
    )
    assert problem(tmp_path, f"model: hosted_vllm/x, {PRICE}").endswith(
        "deployments.0.api_base: required, but missing"
    )
    for provider in ("anthropic/claude-sonnet-4-5", "openai/gpt-4o"):
        assert "only for openai/… with an `api_base`" in problem(
            tmp_path, f"model: {provider}, api: responses"
        )


@pytest.mark.parametrize(("deployment", "chat_only"), [
    (f"model: {MODEL}, api_base: 'http://192.0.2.7/v1', {PRICE}", True),
    (f"model: {MODEL}, api: chat, api_base: 'http://192.0.2.7/v1', {PRICE}", True),
    (f"model: {MODEL}, api: responses, api_base: 'http://192.0.2.7/v1', {PRICE}", False),
    ("model: openai/gpt-4o", False),
    ("model: anthropic/claude-sonnet-4-5, api_base: 'http://192.0.2.7'", False),
])  # fmt: skip
def test_a_server_of_ones_own_is_asked_by_chat_completions(
    tmp_path: Path, deployment: str, chat_only: bool
) -> None:
    config = litellm_config(load_acme(tmp_path, text(deployment)))
    [only] = config["model_list"]
    assert only["litellm_params"].get("use_chat_completions_api", False) is chat_only
    switch = "use_chat_completions_url_for_anthropic_messages"
    assert config["litellm_settings"].get(switch, False) is chat_only


@pytest.mark.parametrize("name", [
    "gpt-4.1/eu", "a", "a/b/c/d", "team@gpt+1", "qwen3:32b", "x" * 64, "openai/gpt-4o",
])  # fmt: skip
def test_a_name_of_a_model(tmp_path: Path, name: str) -> None:
    tenant = load_acme(tmp_path, text("model: openai/gpt-4o", name))
    assert tenant.litellm.model_names == [name]


@pytest.mark.parametrize("name", [
    "", "/a", "a/", "a//b", "a/../b", "a/b/c/d/e", "a b", "a,b", "*", "gpt-*", "x" * 65, "a\n", "ä",
    "a?b", "a#b", "a%2fb", "-a",
])  # fmt: skip
def test_no_name_of_a_model(name: str) -> None:
    with pytest.raises(ValidationError):
        NAMES.validate_python(name)


@given(st.from_regex(r"\A[a-z0-9/.:@+,*~-]{1,12}\Z"))
def test_a_name_stays_itself_in_a_path(name: str) -> None:
    try:
        NAMES.validate_python(name)
    except ValidationError:
        return
    assert str(HttpUrl(f"http://x/v1/models/{name}")) == f"http://x/v1/models/{name}"
    assert not {",", "*"} & set(name)


HOSTS = ["ollama", "host.docker.internal", "my-server"]


def hosts(part: str, more: str) -> set[str]:
    [container] = [each for each in run_acme(more).of_type(CONTAINER) if each.name == part]
    return {host["host"] for host in container.inputs["hosts"]}


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_of_the_docker_host_leads_there(host: str) -> None:
    server = f"model: {MODEL}, key: none, api_base: 'http://{host}:11434/v1', {PRICE}"
    more = text(server).removeprefix(ACME)
    assert hosts("acme-litellm", more) == {host}
    assert hosts("acme-openwebui", more) == set()
    login = f"billing: {{url: 'http://{host}:3000'}}\nlogin: {{issuer: 'http://{host}:8090'}}\n"
    assert hosts("acme-litellm", login) == hosts("acme-openwebui", login) == {host}


@pytest.mark.parametrize("host", ["192.0.2.7", "models.example.com", "[2001:db8::7]"])
def test_any_other_is_resolved_as_usual(host: str) -> None:
    server = f"model: {MODEL}, key: none, api_base: 'http://{host}:11434/v1', {PRICE}"
    assert hosts("acme-litellm", text(server).removeprefix(ACME)) == set()


@pytest.mark.parametrize("host", [
    "localhost", "LOCALHOST", "localhost.", "x.localhost", "127.0.0.1", "127.1", "127.255.0.9",
    "2130706433", "0x7f.1", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]",
])  # fmt: skip
def test_the_container_itself_is_no_address(host: str) -> None:
    with pytest.raises(ValidationError, match=r"http://host\.docker\.internal:11434 for a server"):
        URLS.validate_python(f"http://{host}:11434/v1")


@pytest.mark.parametrize("name", ["postgres", "redis", "litellm", "openwebui", "REDIS", "redis."])
@pytest.mark.parametrize(("section", "path"), [
    ("  models: [{name: a, deployments: [{model: openai/x, api_base: 'URL', PRICE}]}]\n",
     "litellm.models.0.deployments.0.api_base"),
    ("billing: {url: 'URL'}\n", "billing.url"),
    ("login: {issuer: 'URL'}\n", "login.issuer"),
])  # fmt: skip
def test_the_tenants_own_containers_are_no_servers(
    tmp_path: Path, section: str, path: str, name: str
) -> None:
    text = section.replace("URL", f"http://{name}:80").replace("PRICE", PRICE)
    with pytest.raises(InvalidFileError, match="a container of this tenant") as refused:
        load_acme(tmp_path, ACME + text)
    [problem] = refused.value.problems
    assert problem.field == path


@pytest.mark.parametrize("section", [
    "  models: [{name: a, deployments: [{model: openai/x, api_base: 'http://localhost:1/v1',"
    f" {PRICE}}}]}}]\n",
    "billing: {url: 'http://localhost:3000'}\n",
    "login: {issuer: 'http://127.0.0.1:8090'}\n",
])  # fmt: skip
def test_all_three_addresses_are_looked_at(tmp_path: Path, section: str) -> None:
    with pytest.raises(InvalidFileError, match="leads out of the container"):
        load_acme(tmp_path, ACME + section)
