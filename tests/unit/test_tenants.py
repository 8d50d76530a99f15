"""Tenant files: what a good one means, and what is said about a bad one."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, HttpUrl

from cli.environment import ROOT
from codegen import prices, reference, schema
from components.stack_config import LOCAL_DOCKER, StackConfig
from core.deployment.stack_config import CoreConfig
from core.model import Core
from schema.diagnostics import InvalidFileError, masked
from schema.duration import seconds
from schema.duration import text as duration_text
from schema.yaml_file import stacks
from tenants.litellm import CacheMode
from tenants.loader import FOLDER, load, load_all
from tenants.model import Tenant
from tests.unit.conftest import ACME, load_acme

BETA = ACME.replace("acme", "beta").replace("3002", "3003").replace("4002", "4003")

GPT = "      deployments: [{model: openai/gpt-4o}]\n"
MODELS = f"  models:\n    - name: a\n{GPT}    - name: b\n{GPT}"  # lines 7 to 11
DEPLOYMENT = "  models:\n    - name: a\n      deployments:\n        - model: openai/gpt-4o\n"
UNPRICED = DEPLOYMENT.replace("gpt-4o", "our-own")

SECTIONS = (
    "slug, name, domain, bind, openwebui, litellm, postgres, redis, postgres_exporter,"
    " redis_exporter, billing, login"
)
PRICES = (
    "input_per_million, output_per_million, cached_input_per_million, cache_write_per_million,"
    " reasoning_per_million, audio_input_per_million, audio_output_per_million, per_image,"
    " request_at_most"
)
INTEGER = "must be a valid integer"
ENDLESS = "fewer levels, and no alias to what it stands in or to ever more aliases"
DURATION = "must be a whole number and a unit, such as 90s, 30m, 12h or 7d"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tenants"
    folder.mkdir()
    return folder


def write(folder: Path, files: Mapping[str, str]) -> None:
    for stack, text in files.items():
        (folder / f"{stack}.yaml").write_text(text, encoding="utf-8")


def problems_of(folder: Path, text: str) -> list[str]:
    write(folder, {"acme": text})
    return problems_in_acme(folder, hosts={})


def problems_in_acme(folder: Path, *, hosts: Mapping[str, str]) -> list[str]:
    """Each line of the error, without the file that all of them start with."""
    try:
        load("acme", hosts=hosts, folder=folder)
    except InvalidFileError as error:
        lines = str(error).splitlines()
    else:
        return []
    assert all(line.startswith("tenants/acme.yaml:") for line in lines)
    return [line.removeprefix("tenants/acme.yaml:") for line in lines]


@pytest.mark.parametrize(("text", "problem"), [
    ("colour: red\n", f'7: colour = "red": unknown key; known here: {SECTIONS}'),
    ("postgres:\n  disk: 5\n", "8: postgres.disk = 5: unknown key; known here: memory_mb, cpus"),
    ("  routing:\n    tries: 3\n",
     "8: litellm.routing.tries = 3: unknown key;"
     " known here: strategy, retries, timeout, allowed_failures, cooldown"),
    (f"{DEPLOYMENT}          price: {{input_per_million: 1, output_per_million: 1, cached: 0}}\n",
     "11: litellm.models.0.deployments.0.price.cached = 0: unknown key;"
     f" known here: {PRICES}"),
    ("billing:\n  path: /check\n",
     '8: billing.path = "/check": unknown key;'
     " known here: url, check_path, log_path, batch, grace, account, markup_percent, contract,"
         " user_id, currency, usd_rate"),
    ("  keys:\n    - name: reports\n      user: it\n      key: sk-1\n",
     '10: litellm.keys.0.key = "***": unknown key;'
     " known here: name, user, models, requests_per_minute, tokens_per_minute"),
])  # fmt: skip
def test_an_unknown_key(folder: Path, text: str, problem: str) -> None:
    assert problems_of(folder, ACME + text) == [problem]


@pytest.mark.parametrize(("text", "problem"), [
    ("  memory_mb: '2048'\n", f'7: litellm.memory_mb = "2048": {INTEGER}'),
    ("  memory_mb: 2048.5\n", f"7: litellm.memory_mb = 2048.5: {INTEGER}"),
    ("  memory_mb: true\n", f"7: litellm.memory_mb = true: {INTEGER}"),
    ("  memory_mb:\n", f"7: litellm.memory_mb = null: {INTEGER}"),
    ("  cpus: many\n", '7: litellm.cpus = "many": must be a valid decimal'),
    ("  cpus: []\n", "7: litellm.cpus = []: must be a valid decimal"),
    ("billing: {url: 5}\n", "7: billing.url = 5: must be a string or URL"),
    ("  routing:\n    timeout: 30\n", f"8: litellm.routing.timeout = 30: {DURATION}"),
    ("  routing:\n    cooldown: 1.5h\n", f'8: litellm.routing.cooldown = "1.5h": {DURATION}'),
    ("  models: gpt-5\n", '7: litellm.models = "gpt-5": must be a list'),
    ("  models: [gpt-5]\n", '7: litellm.models.0 = "gpt-5": must be a mapping'),
    ("domain: 5\n", "7: domain = 5: must be a valid string"),
    ("billing: https://billing.example.com\n",
     '7: billing = "https://billing.example.com": must be a mapping'),
    ("billing:\n",
     "7: billing = null: must be a mapping, such as {};"
     " a tenant without leaves out the key `billing`"),
    ("billing: {grace: 600}\n", f"7: billing.grace = 600: {DURATION}"),
])  # fmt: skip
def test_a_value_of_the_wrong_type(folder: Path, text: str, problem: str) -> None:
    assert problems_of(folder, ACME + text) == [problem]


@pytest.mark.parametrize(("text", "problem"), [
    ("  max_body_mb: 200\n", "7: litellm.max_body_mb = 200: at most 46 with memory_mb = 1024"),
    ("  memory_mb: 621\n  max_body_mb: 10\n",
     "8: litellm.max_body_mb = 10: at most 9 with memory_mb = 621"),
    ("  memory_mb: 63\n", "7: litellm.memory_mb = 63: must be greater than or equal to 512"),
    ("  cpus: 0\n", "7: litellm.cpus = 0: must be greater than or equal to 0.1"),
    ("  cpus: 0.55\n", "7: litellm.cpus = 0.55: must have no more than 1 decimal place"),
    ("  fallbacks: {a: []}\n", "7: litellm.fallbacks.a = []: must have at least 1 item"),
    ("  routing: {retries: 11}\n",
     "7: litellm.routing.retries = 11: must be less than or equal to 10"),
    ("  rate_limits: {tokens_per_minute: 0}\n",
     "7: litellm.rate_limits.tokens_per_minute = 0: must be greater than or equal to 1"),
    ("  routing: {strategy: random}\n",
     "7: litellm.routing.strategy = \"random\": must be 'weighted', 'least-busy' or 'fastest'"),
    ("  cache: {mode: 'no'}\n",
     "7: litellm.cache.mode = \"no\": must be 'off', 'opt-in' or 'on'"),
    (f"{UNPRICED}          price: {{input_per_million: -1, output_per_million: 2}}\n",
     "11: litellm.models.0.deployments.0.price.input_per_million = -1:"
     " must be greater than or equal to 0"),
    ("billing: {check_path: check}\n",
     '7: billing.check_path = "check": must be a path that starts with /'),
    ("billing: {log_path: '/log?usage'}\n",
     '7: billing.log_path = "/log?usage": must be a path that starts with /'),
    ("billing: {batch: 0}\n", "7: billing.batch = 0: must be greater than or equal to 1"),
    ("billing: {batch: 1001}\n", "7: billing.batch = 1001: must be less than or equal to 1000"),
    ("billing: {account: ''}\n", "7: billing.account: must have at least 1 character"),
    ("billing: {markup_percent: -1}\n",
     "7: billing.markup_percent = -1: must be greater than or equal to 0"),
    ("billing: {markup_percent: 1000.5}\n",
     "7: billing.markup_percent = 1000.5: must be less than or equal to 1000"),
    ("billing: {markup_percent: 0.125}\n",
     "7: billing.markup_percent = 0.125: must have no more than 2 decimal places"),
    ("  keys: [{name: Reports, user: it}]\n",
     '7: litellm.keys.0.name = "Reports": must be up to 31 small letters, digits and dashes'),
    ("  keys: [{name: reports, user: ''}]\n",
     "7: litellm.keys.0.user: must have at least 1 character"),
    ("  keys: [{name: reports, user: it, models: []}]\n",
     "7: litellm.keys.0.models = []: must have at least 1 item"),
    ("  keys: [{name: reports, user: it, requests_per_minute: 0}]\n",
     "7: litellm.keys.0.requests_per_minute = 0: must be greater than or equal to 1"),
    ("login: {users: []}\n", "7: login.users = []: must have at least 1 item"),
    ("login: {users: ['a,b']}\n", '7: login.users.0 = "a,b": must be a name without commas'),
    ("login: {scopes: ['groups email']}\n",
     '7: login.scopes.0 = "groups email": must be a word without spaces and quotes'),
])  # fmt: skip
def test_a_value_out_of_range(folder: Path, text: str, problem: str) -> None:
    assert problems_of(folder, ACME + text) == [problem]


@pytest.mark.parametrize(("old", "new", "problem"), [
    ("port: 4002", "port: 80", "6: litellm.port = 80: must be greater than or equal to 1024"),
    ("port: 4002", "port: 65536", "6: litellm.port = 65536: must be less than or equal to 65535"),
    ("port: 4002", "port: 3002", "6: litellm.port = 3002: a port other than openwebui.port"),
    ("slug: acme", "slug: Acme Corp",
     '1: slug = "Acme Corp": must be up to 30 small letters, digits and dashes,'
     " starting with a letter"),
    ("name: Acme", "name: ''", "2: name: must have at least 1 character"),
])  # fmt: skip
def test_a_needed_value_that_is_not_allowed(folder: Path, old: str, new: str, problem: str) -> None:
    assert problems_of(folder, ACME.replace(old, new)) == [problem]


@pytest.mark.parametrize("slug", ["a", "a1", "a-b", "a" * 30])
def test_a_good_slug(folder: Path, slug: str) -> None:
    assert load_acme(folder, ACME.replace("acme", slug)).slug == slug


@pytest.mark.parametrize("slug", ["1a", "-a", "a-", "a_b", "a.b", "a" * 31, "ä", "a b"])
def test_a_bad_slug(folder: Path, slug: str) -> None:
    [problem] = problems_of(folder, ACME.replace("slug: acme", f"slug: '{slug}'"))
    assert problem.startswith("1: slug = ")


@pytest.mark.parametrize("domain", [
    "chat", "Chat.example.com", "https://chat.example.com", "chat.example.com/", "-a.example.com",
])  # fmt: skip
def test_a_bad_domain(folder: Path, domain: str) -> None:
    assert problems_of(folder, f"{ACME}domain: {domain}\n") == [
        f'7: domain = "{domain}": must be a full domain name in small letters,'
        " such as chat.example.com"
    ]


@pytest.mark.parametrize("model", [
    "cohere/large", "gpt-4o", "openai/", "openai/a//b", "openai/a/", "openai/*", "openai/a b",
    "openai/a,b", "OpenAI/gpt-4o",
])  # fmt: skip
def test_a_deployment_of_an_unknown_provider(folder: Path, model: str) -> None:
    text = DEPLOYMENT.replace("openai/gpt-4o", f'"{model}"')
    assert problems_of(folder, ACME + text) == [
        f'10: litellm.models.0.deployments.0.model = "{model}":'
        " must be PROVIDER/MODEL, without *, and the provider one of openai, anthropic, gemini,"
        " deepseek, groq, hosted_vllm, mistral, openrouter, xai; write openai/MODEL with api_base"
        " for any other server that speaks OpenAI"
    ]


@pytest.mark.parametrize(("model", "words"), [
    ("azure/my-gpt5", "must be openai/DEPLOYMENT with api_base: https://RESOURCE.openai.azure.com"),
    ("bedrock/anthropic.claude", "must be openai/MODEL with api_base: https://bedrock-runtime."),
    ("vertex_ai/gemini-2.5-pro", "must be gemini/MODEL with a key of Google AI Studio"),
    ("ollama/qwen3", "must be openai/MODEL with api_base: http://host.docker.internal:11434/v1"),
    ("ollama_chat/qwen3:8b", "must be openai/MODEL with api_base: http://host.docker.internal"),
])  # fmt: skip
def test_a_provider_of_litellms_is_refused_with_the_way_that_works(
    folder: Path, model: str, words: str
) -> None:
    [problem] = problems_of(folder, ACME + DEPLOYMENT.replace("openai/gpt-4o", model))
    place = f'10: litellm.models.0.deployments.0.model = "{model}": '
    assert problem.startswith(place + words)


def test_a_model_without_a_known_price_is_told_what_it_may_have_been(folder: Path) -> None:
    [problem] = problems_of(folder, ACME + DEPLOYMENT.replace("gpt-4o", "gpt-4oo"))
    assert problem.startswith(
        '10: litellm.models.0.deployments.0.model = "openai/gpt-4oo":'
        " LiteLLM knows no price for it: give one under `price` or one of openai/gpt-4o, "
    )


def test_a_model_with_a_price_of_its_own_needs_no_known_one(folder: Path) -> None:
    price = "          price: {input_per_million: 1.5, output_per_million: 2}\n"
    [model] = load_acme(folder, ACME + UNPRICED + price).litellm.models
    given = model.deployments[0].price
    assert given
    assert (str(given.input_per_million), str(given.output_per_million)) == ("1.5", "2")


PRICE = "litellm.models.0.deployments.0.price"
MODEL = "10: litellm.models.0.deployments.0.model"
OWN_PRICE = "LiteLLM charges its own price for it: under `price`, give `request_at_most` only"


@pytest.mark.parametrize(("model", "price", "problems"), [
    ("gpt-4o", "{}", []),
    ("gpt-4o", "{request_at_most: 1}", []),
    ("gpt-4o", "{reasoning_per_million: 5}",
     [f"11: {PRICE}.input_per_million: required, but missing",
      f"11: {PRICE}.output_per_million: required, but missing"]),
    ("gpt-4o", "{input_per_million: 5, audio_input_per_million: 9}",
     [f"11: {PRICE}.output_per_million: required, but missing"]),
    ("our-own", "{input_per_million: 0, output_per_million: 0, per_image: 0.04}",
     [f"11: {PRICE}.request_at_most: required, but missing"]),
    ("our-own",
     "{input_per_million: 0, output_per_million: 0, per_image: 0.04, request_at_most: 0.16}", []),
    ("gpt-image-1", "{request_at_most: 0.25}", []),
    ("gpt-image-1", "{}",
     [f'{MODEL} = "openai/gpt-image-1": what a request of it costs is known afterwards:'
      " give `price.request_at_most`"]),
    ("gpt-image-1", "{input_per_million: 5, output_per_million: 40}",
     [f'{MODEL} = "openai/gpt-image-1": {OWN_PRICE}']),
    ("gpt-image-1",
     "{input_per_million: 0, output_per_million: 0, per_image: 0.04, request_at_most: 0.04}",
     [f'{MODEL} = "openai/gpt-image-1": {OWN_PRICE}']),
    ("tts-1", "{}",
     [f'{MODEL} = "openai/tts-1": what a request of it costs is known afterwards:'
      " give `price.request_at_most`"]),
    ("whisper-1", "{request_at_most: 0.6}", []),
    ("whisper-1", "{input_per_million: 5, output_per_million: 5, request_at_most: 0.6}",
     [f'{MODEL} = "openai/whisper-1": {OWN_PRICE}']),
])  # fmt: skip
def test_a_price_that_is_not_whole(
    folder: Path, model: str, price: str, problems: list[str]
) -> None:
    text = f"{DEPLOYMENT.replace('gpt-4o', model)}          price: {price}\n"
    assert problems_of(folder, ACME + text) == problems


def test_a_model_is_listed_with_what_it_is_for_if_litellm_can_charge_for_it() -> None:
    speech = {"mode": "audio_speech", "litellm_provider": "openai"}
    hearing = {"mode": "audio_transcription", "input_cost_per_second": 1e-4}
    image = {"mode": "image_generation", "litellm_provider": "gemini"}
    assert prices.priced_models({
        "gpt": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6},
        "free": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0},
        "other": {"litellm_provider": "cohere", "mode": "chat", "input_cost_per_token": 1e-6},
        "groq/a/b": {"litellm_provider": "groq", "mode": "chat", "input_cost_per_token": 1e-6},
        "gemini/image": {**image, "output_cost_per_image": 0.04},
        "low/1024-x-1024/image": {**image, "input_cost_per_image": 0.01},
        "tts": {**speech, "input_cost_per_character": 1e-5},
        "tts-by-tokens": {**speech, "input_cost_per_token": 1e-6},
        "whisper": {"litellm_provider": "openai", **hearing},
        "live": {"litellm_provider": "openai", **hearing, "supported_endpoints": ["/v1/realtime"]},
    }) == [
        "gemini/image image_generation",
        "groq/a/b chat",
        "openai/gpt chat",
        "openai/tts audio_speech",
        "openai/whisper audio_transcription",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "problems"), [
    ("  fallbacks:\n    a: [c]\n",
     ['13: litellm.fallbacks.a.0 = "c": a model of this file (a, b), another one']),
    ("  fallbacks:\n    a: [b, a]\n",
     ['13: litellm.fallbacks.a.1 = "a": a model of this file (a, b), another one']),
    ("  fallbacks:\n    c: [a]\n", ["13: litellm.fallbacks.c: a model of this file (a, b)"]),
    ("  fallbacks:\n    a:\n      - c\n  context_window_fallbacks:\n    b:\n      - b\n",
     ['14: litellm.fallbacks.a.0 = "c": a model of this file (a, b), another one',
      '17: litellm.context_window_fallbacks.b.0 = "b": a model of this file (a, b), another one']),
])  # fmt: skip
def test_a_fallback_leads_to_another_model(folder: Path, text: str, problems: list[str]) -> None:
    assert problems_of(folder, ACME + MODELS + text) == problems


def test_a_fallback_without_any_model(folder: Path) -> None:
    assert problems_of(folder, f"{ACME}  fallbacks:\n    a: [b]\n") == [
        "8: litellm.fallbacks.a: a model of this file (there is none)",
        '8: litellm.fallbacks.a.0 = "b": a model of this file (there is none), another one',
    ]


REPORTS = "  keys:\n    - {name: reports, user: reports@example.com, models: [a]}\n"


@pytest.mark.parametrize(("text", "problem"), [
    (MODELS.replace("name: b", "name: a"),
     '10: litellm.models.1.name = "a": a name not used above'),
    (f"{MODELS}{REPORTS}    - {{name: reports, user: it}}\n",
     '14: litellm.keys.1.name = "reports": a name not used above'),
])  # fmt: skip
def test_a_name_stands_once(folder: Path, text: str, problem: str) -> None:
    assert problems_of(folder, ACME + text) == [problem]


@pytest.mark.parametrize(("text", "problems"), [
    (MODELS + REPORTS, []),
    (MODELS + REPORTS.replace("[a]", "[b, c]"),
     ['13: litellm.keys.0.models.1 = "c": a model of this file (a, b)']),
    (REPORTS, ['8: litellm.keys.0.models.0 = "a":'
               " a model of this file (demo-embedding, demo-model)"]),
    (REPORTS.replace("[a]", "[demo-model]"), []),
    # What is wrong with the models is told alone.
    (MODELS.replace("gpt-4o", "gpt-image-1", 1) + REPORTS.replace("[a]", "[c]"),
     ['9: litellm.models.0.deployments.0.model = "openai/gpt-image-1":'
      " what a request of it costs is known afterwards: give `price.request_at_most`"]),
])  # fmt: skip
def test_a_key_opens_models_of_the_file(folder: Path, text: str, problems: list[str]) -> None:
    assert problems_of(folder, ACME + text) == problems


@pytest.mark.parametrize(("text", "account"), [
    ("", "api@acme"),
    ("billing: {}\n", "api@acme"),
    ("billing: {account: team@example.com}\n", "team@example.com"),
])  # fmt: skip
def test_somebody_pays_for_requests_of_nobody(folder: Path, text: str, account: str) -> None:
    assert load_acme(folder, ACME + text).account == account


@pytest.mark.parametrize(("text", "problem"), [
    ("slug: other\n", "1: slug: a key only once; it stands in line 7 again"),
    ("  port: 4002\n", "6: litellm.port: a key only once; it stands in line 7 again"),
])  # fmt: skip
def test_a_key_stands_once(folder: Path, text: str, problem: str) -> None:
    assert problems_of(folder, ACME + text) == [problem]


@pytest.mark.parametrize(("text", "problem"), [
    ("slug: acme\nname: [Acme\n",
     "3: the file: not YAML: expected ',' or ']', but got '<stream end>'"),
    ("slug: acme\n\tname: Acme\n",
     r"2: the file: not YAML: found character '\t' that cannot start any token"),
    ("slug: acme\nname: a: b\n", "2: the file: not YAML: mapping values are not allowed here"),
    ("slug: acme\nname: {{ name }}\n", "2: the file: not YAML: found unhashable key"),
    ("slug: !secret acme\n",
     "1: the file: not YAML: could not determine a constructor for the tag '!secret'"),
    ("slug: acme\nname: 2024-13-01\n", "2: the file: not YAML: a value that is no timestamp"),
    ("slug: acme\nname: !!int abc\n", "2: the file: not YAML: a value that is no int"),
    ("slug: !!int ''\n", "1: the file: not YAML: a value that is no int"),
    ("slug: !!bool abc\n", "1: the file: not YAML: a value that is no bool"),
    ("slug: !!float abc\n", "1: the file: not YAML: a value that is no float"),
    ("slug: !!timestamp abc\n", "1: the file: not YAML: a value that is no timestamp"),
    ("slug: &a [*a]\n", f"1: the file: {ENDLESS}"),
    ("slug: &a {b: *a}\n", f"1: the file: {ENDLESS}"),
    (f"slug: {'[' * 60}{']' * 60}\n", f"1: the file: {ENDLESS}"),
    (f"slug: {'[' * 3000}{']' * 3000}\n", f"1: the file: {ENDLESS}"),
    ("a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n"
     + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)),
     f"1: the file: {ENDLESS}"),
    ("slug: *acme\n", "1: the file: not YAML: found undefined alias 'acme'"),
    (f"{ACME}---\n{ACME}", "7: the file: not YAML: but found another document"),
    ("null\n", "1: the file = null: must be a mapping"),
    ("- slug: acme\n", '1: the file = [{"slug": "acme"}]: must be a mapping'),
])  # fmt: skip
def test_a_file_that_is_no_mapping(folder: Path, text: str, problem: str) -> None:
    assert problems_of(folder, text) == [problem]


@pytest.mark.parametrize("key", ["2026-11-20", "2026", "1.5", "on", "!!int abc", "~"])
def test_a_key_is_a_text_whatever_it_looks_like(folder: Path, key: str) -> None:
    text = key.rpartition(" ")[2]
    [problem] = problems_of(folder, f"{ACME}{key}: 1\n")
    assert problem.startswith(f"7: {text} = 1: unknown key; known here: slug")


def test_a_merge_key_merges(folder: Path) -> None:
    merged = ACME.replace("litellm:\n", "litellm:\n  <<: {memory_mb: 600}\n")
    assert load_acme(folder, merged).litellm.memory_mb == 600


def test_a_file_that_is_not_utf_8(folder: Path) -> None:
    (folder / "acme.yaml").write_bytes(ACME.replace("Acme", "Acmé").encode("latin-1"))
    with pytest.raises(
        InvalidFileError, match=r"^tenants/acme\.yaml:1: the file: not YAML: .*utf-8"
    ):
        load("acme", hosts={}, folder=folder)


@pytest.mark.parametrize("text", ["", "# Nothing yet.\n", "{}\n"])
def test_an_empty_file_is_told_what_is_needed(folder: Path, text: str) -> None:
    assert problems_of(folder, text) == [
        f"1: {field}: required, but missing" for field in ("litellm", "name", "openwebui", "slug")
    ]


def test_what_is_needed_and_missing(folder: Path) -> None:
    assert problems_of(folder, "slug: acme\nlitellm: {}\n") == [
        "1: name: required, but missing",
        "1: openwebui: required, but missing",
        "2: litellm.port: required, but missing",
    ]


def test_all_problems_of_a_file_come_at_once_in_its_order(folder: Path) -> None:
    text = f"{ACME.replace('4002', '80')}  cpus: 0\nslug: other\ncolour: red\n"
    problems = problems_of(folder, text)
    assert [problem.split(" ")[:2] for problem in problems] == [
        ["1:", "slug:"], ["6:", "litellm.port"], ["7:", "litellm.cpus"], ["9:", "colour"],
    ]  # fmt: skip


def test_what_does_not_fit_together_is_told_beside_what_is_wrong_elsewhere(folder: Path) -> None:
    fallbacks = "  cpus: 0\n  fallbacks: {a: [c]}\n  context_window_fallbacks: {c: []}\n"
    same_port = ACME.replace("4002", "3002").replace("name: Acme", "name: 5")
    assert problems_of(folder, ACME + MODELS + fallbacks) == [
        "12: litellm.cpus = 0: must be greater than or equal to 0.1",
        '13: litellm.fallbacks.a.0 = "c": a model of this file (a, b), another one',
        "14: litellm.context_window_fallbacks.c = []: must have at least 1 item",
    ]
    assert problems_of(folder, same_port) == [
        "2: name = 5: must be a valid string",
        "6: litellm.port = 3002: a port other than openwebui.port",
    ]


def test_fallbacks_are_no_problem_of_their_own_when_the_models_are_one(folder: Path) -> None:
    text = f"{ACME}{MODELS.replace('gpt-4o', 'our-own', 1)}  fallbacks: {{a: [b]}}\n"
    [problem] = problems_of(folder, text)
    assert problem.startswith("9: litellm.models.0.deployments.0.model")


@pytest.mark.parametrize(("mode", "expected"), [
    ("on", CacheMode.ON), ("'on'", CacheMode.ON), ("off", CacheMode.OFF),
    ("'off'", CacheMode.OFF), ("opt-in", CacheMode.OPT_IN),
])  # fmt: skip
def test_a_cache_mode_needs_no_quotes(folder: Path, mode: str, expected: CacheMode) -> None:
    assert load_acme(folder, f"{ACME}  cache: {{mode: {mode}}}\n").litellm.cache.mode is expected


@pytest.mark.parametrize("key", [
    "sk-proj-Ab1-cd_EF23456789",
    "sk-ant-api03-abcdefghijkl",
    "AIzaSyA-1234567890abcdef",
    "0123456789abcdef0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
])  # fmt: skip
@pytest.mark.parametrize("text", [
    "openai: {key}\n",
    "colour: [{{red: {key}}}]\n",
    "  routing:\n    strategy: {key}\n",
    "{key}: 1\n",
    "x: {padding}{key}\n",
])  # fmt: skip
def test_a_key_in_the_wrong_place_is_masked(folder: Path, text: str, key: str) -> None:
    with pytest.raises(InvalidFileError) as raised:
        load_acme(folder, ACME + text.format(key=key, padding="a " * 24))
    told = str(raised.value)
    assert key not in told
    assert "***" in told
    assert key[:12] not in told


@pytest.mark.parametrize(("text", "told"), [
    ("name = key-reports-2", "name = key-reports-2"),
    ("the token that-was-used", "the token that-was-used"),
    ("MY_sk-proj-Ab1cdEF2_X", "MY_***"),
    ("A_0123456789abcdef0123_B", "A_***_B"),
    ("token-a1b2c3d4e5f6", "***"),
    ("disk-space-is-low", "disk-space-is-low"),
])  # fmt: skip
def test_what_looks_like_a_key_is_masked_and_ordinary_text_is_not(text: str, told: str) -> None:
    assert masked(text) == told


@pytest.mark.parametrize("name", ["api_key", "loginSecret", "PASSWORD"])
def test_the_value_of_an_unknown_secret_is_hidden(folder: Path, name: str) -> None:
    with pytest.raises(InvalidFileError) as raised:
        load_acme(folder, f"{ACME}{name}: hunter2\n")
    assert f'7: {name} = "***": unknown key' in str(raised.value)


def test_the_name_of_a_model_is_no_key(folder: Path) -> None:
    model = "anthropic/claude-sonnet-4-20250514"
    with pytest.raises(InvalidFileError) as raised:
        load_acme(folder, f"{ACME}colour: {model}\n")
    assert model in str(raised.value)


@pytest.mark.parametrize(("text", "field"), [
    ('domain: "a\\0.example"', "domain"),
    ('login: {name: "A\\x07"}', "login.name"),
    ('login: {users: ["a\\x7f"]}', "login.users.0"),
    ('login: {name: "\\ud800"}', "login.name"),
])  # fmt: skip
def test_control_characters_are_refused(folder: Path, text: str, field: str) -> None:
    with pytest.raises(InvalidFileError) as raised:
        load_acme(folder, f"{ACME}{text}\n")
    assert field in str(raised.value)
    assert "no control characters, such as NUL" in str(raised.value)


@pytest.mark.parametrize("part", ["litellm", "openwebui"])
def test_less_memory_than_a_service_starts_with_is_refused(folder: Path, part: str) -> None:
    text = ACME.replace(f"{part}:\n", f"{part}:\n  memory_mb: 511\n")
    with pytest.raises(InvalidFileError) as raised:
        load_acme(folder, text)
    assert f"{part}.memory_mb = 511: must be greater than or equal to 512" in str(raised.value)
    load_acme(folder, text.replace("511", "512"))


def test_a_long_value_is_cut(folder: Path) -> None:
    [problem] = problems_of(folder, f"{ACME}colour: {'r' * 1000}\n")
    assert f'colour = "{"r" * 59}…: ' in problem


def test_an_unknown_stack_is_told_the_known_ones(folder: Path) -> None:
    write(folder, {"beta": BETA, "acme": ACME})
    with pytest.raises(InvalidFileError) as raised:
        load("gamma", hosts={}, folder=folder)
    assert str(raised.value) == (
        "tenants/gamma.yaml:1: there is no such file: a stack has the name of a file: acme, beta"
    )


HERE = {"acme": LOCAL_DOCKER, "beta": LOCAL_DOCKER}
APART = {"acme": LOCAL_DOCKER, "beta": "ssh://deploy@two.example.com"}
ON_ALL = "bind: 0.0.0.0\n"
CHAT = "domain: chat.example.com\n"


def named(file: str, name: str) -> str:
    """A tenant's file with a name of its chat, which all addresses need beside them."""
    return file.replace("openwebui:\n", f"openwebui:\n  names: [{name}]\n")


@pytest.mark.parametrize(("changes", "appended", "hosts", "problems"), [
    ({"beta": "acme"}, "", HERE, ['1: slug = "acme": already used by beta.yaml; choose another']),
    ({"beta": "acme"}, "", APART, ['1: slug = "acme": already used by beta.yaml; choose another']),
    ({}, CHAT, APART,
     ['7: domain = "chat.example.com": already used by beta.yaml; choose another']),
    ({"4003": "4002"}, "", HERE,
     ["6: litellm.port = 4002: already used by beta.yaml on this host; choose a free port"]),
    ({"4003": "3002"}, "", HERE,
     ["4: openwebui.port = 3002: already used by beta.yaml on this host; choose a free port"]),
    ({"4003": "3002", "3003": "4002"}, ON_ALL, HERE,
     ["5: openwebui.port = 3002: already used by beta.yaml on this host; choose a free port",
      "7: litellm.port = 4002: already used by beta.yaml on this host; choose a free port"]),
])  # fmt: skip
def test_two_tenants_that_clash(
    folder: Path,
    changes: Mapping[str, str],
    appended: str,
    hosts: Mapping[str, str],
    problems: list[str],
) -> None:
    beta = BETA
    for old, new in changes.items():
        beta = beta.replace(old, new)
    acme = ACME
    if appended == ON_ALL:
        acme, beta = named(acme, "a.example"), named(beta, "b.example")
    write(folder, {"acme": acme + appended, "beta": beta + appended})
    assert problems_in_acme(folder, hosts=hosts) == problems


def test_two_chats_have_no_name_in_common(folder: Path) -> None:
    acme, beta = named(ACME, "chat.example:8080"), named(BETA, "chat.example:8080")
    write(folder, {"acme": acme, "beta": beta})
    assert problems_in_acme(folder, hosts=APART) == [
        '4: openwebui.names.0 = "chat.example:8080": already used by beta.yaml; choose another'
    ]


@pytest.mark.parametrize(
    "name", ["localhost:3000", "chat:3000", "192.168.0.7:3000", "'[::1]:3000'"]
)
def test_two_hosts_may_have_the_same_name_of_their_own(folder: Path, name: str) -> None:
    write(folder, {"acme": named(ACME, name), "beta": named(BETA, name)})
    assert problems_in_acme(folder, hosts=APART) == []
    [problem] = problems_in_acme(folder, hosts=HERE)
    assert problem.endswith("already used by beta.yaml; choose another")


@pytest.mark.parametrize(("more", "url", "names"), [
    ("", "http://127.0.0.1:3002", ["127.0.0.1:3002", "localhost:3002"]),
    ("bind: ::1\n", "http://[::1]:3002", ["[::1]:3002", "localhost:3002"]),
    ("bind: 2001:db8:0::7\n", "http://[2001:db8::7]:3002", ["[2001:db8::7]:3002"]),
    ("bind: 192.0.2.7\n", "http://192.0.2.7:3002", ["192.0.2.7:3002"]),
    ("domain: chat.example.com\n", "https://chat.example.com", ["chat.example.com"]),
    ("domain: chat.xn--p1ai\n", "https://chat.xn--p1ai", ["chat.xn--p1ai"]),
    ("domain: chat.пример.рф\n", "https://chat.xn--e1afmkfd.xn--p1ai",
     ["chat.xn--e1afmkfd.xn--p1ai"]),
])  # fmt: skip
def test_the_address_of_a_chat(folder: Path, more: str, url: str, names: list[str]) -> None:
    tenant = load_acme(folder, ACME + more)
    assert (tenant.chat_url, tenant.chat_names) == (url, names)
    assert str(HttpUrl(url)).rstrip("/") == url, "an address that browsers take"


@pytest.mark.parametrize(("bind", "litellm"), [
    ("0.0.0.0", "http://127.0.0.1:4002"), ("'::'", "http://127.0.0.1:4002"),
    ("::1", "http://[::1]:4002"), ("192.0.2.7", "http://192.0.2.7:4002"),
])  # fmt: skip
def test_a_chat_under_names_of_its_own(folder: Path, bind: str, litellm: str) -> None:
    tenant = load_acme(
        folder, named(ACME, "chat.local:3002, '[2001:DB8:0::7]:80'") + f"bind: {bind}\n"
    )
    assert tenant.chat_url == "http://chat.local:3002"
    assert tenant.chat_names[:2] == ["chat.local:3002", "[2001:db8::7]:80"]
    assert tenant.litellm_url == litellm


@pytest.mark.parametrize("bind", ["0.0.0.0", "'::'"])
def test_all_addresses_are_no_address(folder: Path, bind: str) -> None:
    shown = bind.strip("'")
    assert problems_of(folder, f"{ACME}bind: {bind}\n") == [
        f'7: bind = "{shown}": an address that people open, or `domain` or `openwebui.names`'
        " beside it"
    ]


@pytest.mark.parametrize("name", [
    "https://chat.example.com", "chat.example.com/", "chat:port", "chat.example.com:0",
    "chat.example.com:65536", "::1", "[::1", "[1.2.3.4]", "1.2.3", "256.1.1.1", "a b", "-a.example",
    "chat_1.example", "user@chat.example", "*.example.com",
])  # fmt: skip
def test_what_is_no_name_of_a_chat(folder: Path, name: str) -> None:
    [problem] = problems_of(folder, named(ACME, json.dumps(name)))
    assert problem.startswith("4: openwebui.names.0")
    assert "a name or an address that people open the chat at" in problem


@pytest.mark.parametrize(("mine", "theirs", "hosts", "clash"), [
    ("127.0.0.1", "127.0.0.1", HERE, True),
    ("0.0.0.0", "127.0.0.1", HERE, True),
    ("127.0.0.1", "0.0.0.0", HERE, True),
    ("'::'", "2001:db8::1", HERE, True),
    ("'::'", "192.0.2.1", HERE, False),
    ("127.0.0.1", "192.0.2.1", HERE, False),
    ("127.0.0.1", "127.0.0.1", APART, False),
    ("0.0.0.0", "0.0.0.0", APART, False),
])  # fmt: skip
def test_two_tenants_with_one_port(
    folder: Path, mine: str, theirs: str, hosts: Mapping[str, str], clash: bool
) -> None:
    beta = BETA.replace("4003", "4002")
    acme, beta = named(ACME, "a.example"), named(beta, "b.example")
    write(folder, {"acme": f"{acme}bind: {mine}\n", "beta": f"{beta}bind: {theirs}\n"})
    problem = "7: litellm.port = 4002: already used by beta.yaml on this host; choose a free port"
    assert problems_in_acme(folder, hosts=hosts) == [problem] * clash


METRICS = "redis_exporter:\n  port: 9121\n"


@pytest.mark.parametrize(("theirs", "clash"), [
    (METRICS, True), (METRICS.replace("redis", "postgres"), True),
    (METRICS.replace("9121", "9122"), False), ("", False),
])  # fmt: skip
def test_metrics_share_one_address_whatever_the_tenants_have(
    folder: Path, theirs: str, clash: bool
) -> None:
    bound = f"{ACME}bind: 192.0.2.1\n{METRICS}"
    write(folder, {"acme": bound, "beta": f"{BETA}bind: 192.0.2.2\n{theirs}"})
    problem = "9: redis_exporter.port = 9121: already used by beta.yaml on this host;"
    found = problems_in_acme(folder, hosts=HERE)
    assert [each.startswith(problem) for each in found] == [True] * clash


@pytest.mark.parametrize(("port", "owner"), [(3002, "openwebui"), (4002, "litellm")])
def test_metrics_have_a_port_of_their_own(folder: Path, port: int, owner: str) -> None:
    assert problems_of(folder, ACME + METRICS.replace("9121", str(port))) == [
        f"8: redis_exporter.port = {port}: a port other than {owner}.port"
    ]


@pytest.mark.parametrize("broken", ["slug: [", "slug: {{ slug }}", "slug: acme\n", ""])
def test_the_broken_file_of_another_tenant_is_not_in_the_way(folder: Path, broken: str) -> None:
    write(folder, {"acme": ACME, "beta": broken})
    assert load("acme", hosts=HERE, folder=folder).slug == "acme"


def test_load_all_reports_every_problem_of_every_file(folder: Path) -> None:
    delta = BETA.replace("beta", "delta").replace("3003", "3004").replace("4003", "4002")
    write(folder, {"acme": ACME, "beta": f"{BETA}cpus: 1\n", "gamma": "slug: [", "delta": delta})
    hosts = dict.fromkeys(stacks(folder), LOCAL_DOCKER)
    with pytest.raises(InvalidFileError) as raised:
        load_all(hosts=hosts, folder=folder)
    assert [(problem.file, problem.field) for problem in raised.value.problems] == [
        ("tenants/acme.yaml", "litellm.port"),
        ("tenants/beta.yaml", "cpus"),
        ("tenants/delta.yaml", "litellm.port"),
        ("tenants/gamma.yaml", "the file"),
    ]


def test_load_all_gives_every_tenant_by_its_stack(folder: Path) -> None:
    write(folder, {"one": ACME, "two": BETA})
    tenants = load_all(hosts={}, folder=folder)
    assert {stack: tenant.slug for stack, tenant in tenants.items()} == {
        "one": "acme",
        "two": "beta",
    }


@pytest.mark.parametrize(("text", "expected"), [
    ("1s", 1), ("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800),
])  # fmt: skip
def test_a_duration_in_seconds(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", [
    "", "s", "0s", "01m", "-1h", "1.5h", "5", "1 h", "1H", "1w", "1h30m", " 1h", "1h\n", 60,
    1.0, None,
])  # fmt: skip
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match=r"^a whole number and a unit, such as 90s"):
        seconds(text)


def test_what_a_file_leaves_out(folder: Path) -> None:
    assert load_acme(folder, ACME).model_dump(mode="json") == {
        "slug": "acme",
        "name": "Acme",
        "domain": None,
        "bind": "127.0.0.1",
        "openwebui": {
            "memory_mb": 1024,
            "cpus": "1",
            "port": 3002,
            "signup": False,
            "session": 43_200,
            "names": [],
            "connections": False,
            "plugins": False,
            "max_file_mb": 20,
            "max_files": 10,
        },
        "litellm": {
            "memory_mb": 1024,
            "cpus": "1",
            "port": 4002,
            "max_body_mb": 20,
            "database": False,
            "models": [],
            "fallbacks": {},
            "context_window_fallbacks": {},
            "routing": {
                "strategy": "weighted",
                "retries": 2,
                "timeout": 600,
                "allowed_failures": 3,
                "cooldown": 30,
            },
            "cache": {"mode": "opt-in", "ttl": 3600},
            "rate_limits": {"requests_per_minute": None, "tokens_per_minute": None},
            "keys": [],
        },
        "postgres": {"memory_mb": 512, "cpus": "1"},
        "redis": {"memory_mb": 256, "cpus": "1"},
        "postgres_exporter": None,
        "redis_exporter": None,
        "billing": None,
        "login": None,
    }


def test_the_demo_file_is_short() -> None:
    assert len((FOLDER / "demo.yaml").read_text(encoding="utf-8").splitlines()) < 20


def test_nobody_makes_an_account_unless_the_file_says_so(folder: Path) -> None:
    assert not load_acme(folder, ACME).openwebui.signup


@pytest.mark.parametrize("file", schema.FILES, ids=str)
def test_a_committed_schema_is_that_of_its_model(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == schema.text(schema.FILES[file])


def test_the_committed_reference_is_that_of_the_models() -> None:
    committed = {path: path.read_text(encoding="utf-8") for path in reference.FOLDER.iterdir()}
    assert committed == reference.files()


@pytest.mark.parametrize("page", reference.PAGES.values(), ids=reference.PAGES)
def test_the_reference_describes_every_key(page: reference.Page) -> None:
    assert [line for line in reference.page_text(page).splitlines() if line.endswith("|  |")] == []


@pytest.mark.parametrize(("model", "least"), [(Tenant, 10), (Core, 6)])
def test_a_schema_refuses_unknown_keys_as_well(model: type[BaseModel], least: int) -> None:
    whole = schema.schema(model)
    sections = [whole, *(part for part in whole["$defs"].values() if "properties" in part)]
    assert len(sections) > least
    assert [part["title"] for part in sections if part["additionalProperties"] is not False] == []


@pytest.mark.parametrize("model", [Tenant, Core, StackConfig, CoreConfig])
def test_every_default_of_a_schema_is_allowed_by_it(model: type[BaseModel]) -> None:
    whole = schema.schema(model)
    wrong = [
        described
        for section in (whole, *whole.get("$defs", {}).values())
        for described in section.get("properties", {}).values()
        if "default" in described
        and not Draft202012Validator({**described, "$defs": whole.get("$defs", {})}).is_valid(
            described["default"]
        )
    ]
    assert wrong == []


@pytest.mark.parametrize("text", ["1s", "90s", "1m", "30m", "12h", "7d", "3601s"])
def test_a_duration_is_written_as_a_file_has_it(text: str) -> None:
    assert duration_text(seconds(text)) == text


@pytest.mark.parametrize("folder", [FOLDER, ROOT / "core"], ids=str)
def test_editors_check_the_files_of_this_repository(folder: Path) -> None:
    for stack in stacks(folder):
        first = (folder / f"{stack}.yaml").read_text(encoding="utf-8").splitlines()[0]
        assert first == "# yaml-language-server: $schema=schema.json"
