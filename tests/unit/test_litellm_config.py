"""LiteLLM's configuration, as the tenant file means it."""

from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.services.litellm_config import litellm_config, provider_key_env
from schema.yaml_file import stacks
from tenants.deployment import Price
from tenants.loader import FOLDER, load
from tests.unit.conftest import ACME, load_acme

MODELS = """\
  models:
    - name: small
      deployments: [{model: openai/gpt-4o-mini}]
    - name: big
      deployments: [{model: anthropic/claude-sonnet-4-5}]
    - name: long
      deployments: [{model: gemini/gemini-2.5-pro}]
"""


def config(folder: Path, text: str = "") -> dict[str, Any]:
    return litellm_config(load_acme(folder, ACME + text))


def deployment(folder: Path, text: str) -> dict[str, Any]:
    """The only one of a model."""
    models = f"  models:\n    - name: own\n      deployments:\n        - {text}\n"
    (only,) = config(folder, models)["model_list"]
    assert isinstance(only, dict)
    return only


def test_a_deployment_says_everything_that_litellm_needs(tmp_path: Path) -> None:
    text = (
        "{model: openai/our-own, key: our-key, api_base: 'https://models.example.com/v1/',"
        " weight: 3, requests_per_minute: 60, tokens_per_minute: 9000,"
        " price: {input_per_million: 2.5, output_per_million: 10}}"
    )
    assert deployment(tmp_path, text) == {
        "model_name": "own",
        "litellm_params": {
            "model": "openai/our-own",
            "api_key": "os.environ/PROVIDER_KEY_OUR_KEY",
            "api_base": "https://models.example.com/v1",
            "use_chat_completions_api": True,
            "weight": 3,
            "rpm": 60,
            "tpm": 9000,
            "input_cost_per_token": 2.5e-06,
            "output_cost_per_token": 1e-05,
            "cache_read_input_token_cost": 2.5e-06,
            "cache_read_input_token_cost_above_200k_tokens": 2.5e-06,
            "cache_creation_input_token_cost": 2.5e-06,
            "cache_creation_input_token_cost_above_1hr": 2.5e-06,
            "cache_creation_input_token_cost_above_200k_tokens": 2.5e-06,
            "additional_drop_params": ["service_tier"],
        },
        "model_info": {"id": "own/1", "allowed_fails": 3, "own_price": True},
    }


def test_a_deployment_says_nothing_that_litellm_knows_better(tmp_path: Path) -> None:
    assert deployment(tmp_path, "model: anthropic/claude-sonnet-4-5")["litellm_params"] == {
        "model": "anthropic/claude-sonnet-4-5",
        "api_key": "os.environ/PROVIDER_KEY_ANTHROPIC",
        "weight": 1,
    }


@pytest.mark.parametrize(("price", "dropped"), [
    ("", ["stream_options"]),
    (", price: {input_per_million: 1, output_per_million: 1}", ["service_tier", "stream_options"]),
])  # fmt: skip
def test_a_server_is_not_asked_for_what_it_refuses(
    tmp_path: Path, price: str, dropped: list[str]
) -> None:
    text = f"{{model: openai/gpt-4.1, stream_usage: false{price}}}"
    assert deployment(tmp_path, text)["litellm_params"]["additional_drop_params"] == dropped


CACHED = ("cache_read_input_token_cost", "cache_read_input_token_cost_above_200k_tokens")
WRITTEN = (
    "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
    "cache_creation_input_token_cost_above_200k_tokens",
)


@pytest.mark.parametrize(("part", "names", "expected"), [
    ("cached_input_per_million: 0.5", CACHED, 5e-07),
    ("cached_input_per_million: 0", CACHED, 0),
    ("cache_write_per_million: 5", WRITTEN, 5e-06),
    ("reasoning_per_million: 20", ("output_cost_per_reasoning_token",), 2e-05),
    ("audio_input_per_million: 40", ("input_cost_per_audio_token",), 4e-05),
    ("audio_output_per_million: 80", ("output_cost_per_audio_token",), 8e-05),
    ("per_image: 0.04, request_at_most: 0.16", ("output_cost_per_image",), 0.04),
])  # fmt: skip
def test_a_part_of_a_price_has_the_names_that_litellm_charges_by(
    tmp_path: Path, part: str, names: tuple[str, ...], expected: float
) -> None:
    whole = "input_per_million: 2.5, output_per_million: 10"
    plain = deployment(tmp_path, f"{{model: openai/our-own, price: {{{whole}}}}}")
    priced = deployment(tmp_path, f"{{model: openai/our-own, price: {{{whole}, {part}}}}}")
    assert priced["litellm_params"] == plain["litellm_params"] | dict.fromkeys(names, expected)


def test_what_is_set_aside_is_no_price_and_stays_exact(tmp_path: Path) -> None:
    text = "{model: openai/gpt-image-1, price: {request_at_most: '0.250000001'}}"
    image = deployment(tmp_path, text)
    assert image["model_info"]["request_at_most"] == "0.250000001"
    assert image["model_info"]["own_price"] is False
    assert set(image["litellm_params"]) == {"model", "api_key", "weight"}


@pytest.mark.parametrize(("text", "callbacks"), [
    ("", None), ("billing: {}\n", ["gateway.adapter.callback.guard"]),
])  # fmt: skip
def test_budgets_are_guarded_where_there_is_a_billing_api(
    tmp_path: Path, text: str, callbacks: list[str] | None
) -> None:
    assert config(tmp_path, text)["litellm_settings"].get("callbacks") == callbacks


def test_deployments_of_a_model_share_its_name_and_differ_in_their_id(tmp_path: Path) -> None:
    models = (
        "  models:\n    - name: small\n      deployments:\n"
        "        - {model: openai/gpt-4o-mini, key: first}\n"
        "        - {model: openai/gpt-4o-mini, key: second}\n"
    )
    listed = config(tmp_path, models)["model_list"]
    assert [each["model_name"] for each in listed] == ["small", "small"]
    assert [each["model_info"]["id"] for each in listed] == ["small/1", "small/2"]


@pytest.mark.parametrize("price", ["0", "0.15", "2.5", "0.123456789", "3.3", "75", "0.000000001"])
def test_a_price_per_token_is_exact(tmp_path: Path, price: str) -> None:
    parts = ", ".join(f"{part}: {price}" for part in Price.model_fields if "million" in part)
    params = deployment(tmp_path, f"{{model: openai/our-own, price: {{{parts}}}}}")
    costs = [cost for name, cost in params["litellm_params"].items() if "_cost" in name]
    assert len(costs) == 10
    assert {Decimal(repr(cost)) * 1_000_000 for cost in costs} == {Decimal(price)}


# Where each of these stands matters: LiteLLM ignores most of them anywhere else.
@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("", "router_settings.routing_strategy", "simple-shuffle"),
        ("  routing: {strategy: least-busy}", "router_settings.routing_strategy", "least-busy"),
        (
            "  routing: {strategy: fastest}",
            "router_settings.routing_strategy",
            "latency-based-routing",
        ),
        ("  routing: {retries: 0}", "router_settings.num_retries", 0),
        ("  routing: {timeout: 2m}", "router_settings.timeout", 120),
        ("  routing: {cooldown: 90s}", "router_settings.cooldown_time", 90),
        ("", "router_settings.optional_pre_call_checks", ["enforce_model_rate_limits"]),
        (
            f"{MODELS}  fallbacks: {{small: [big, long], big: [small]}}",
            "router_settings.fallbacks",
            [{"small": ["big", "long"]}, {"big": ["small"]}],
        ),
        (
            f"{MODELS}  context_window_fallbacks: {{small: [long]}}",
            "router_settings.context_window_fallbacks",
            [{"small": ["long"]}],
        ),
        ("", "litellm_settings.cache", True),
        ("", "litellm_settings.cache_params.mode", "default_off"),
        ('  cache: {mode: "on"}', "litellm_settings.cache_params.mode", "default_on"),
        ("  cache: {ttl: 5m}", "litellm_settings.cache_params.ttl", 300),
        ("", "litellm_settings.cache_params.username", "os.environ/REDIS_USERNAME"),
        ("", "litellm_settings.cache_params.password", "os.environ/REDIS_PASSWORD"),
        ("", "litellm_settings.global_disable_no_log_param", True),
        ("", "litellm_settings.disable_anthropic_gemini_context_caching_transform", True),
        ("", "litellm_settings.block_requests_for_models_without_pricing", True),
        ("", "general_settings.coordination_redis.host", "os.environ/REDIS_HOST"),
        ("", "general_settings.master_key", "os.environ/LITELLM_MASTER_KEY"),
        ("", "general_settings.custom_auth", "gateway.adapter.auth.authenticate"),
        ("", "general_settings.custom_auth_run_common_checks", True),
    ],
)
def test_a_setting_stands_where_litellm_reads_it(
    tmp_path: Path, text: str, path: str, expected: object
) -> None:
    settings = config(tmp_path, f"{text}\n")
    assert reduce(lambda section, key: section[key], path.split("."), settings) == expected


def test_the_failures_that_are_allowed_are_said_for_each_deployment(tmp_path: Path) -> None:
    settings = config(tmp_path, f"{MODELS}  routing: {{allowed_failures: 5}}\n")
    assert [each["model_info"]["allowed_fails"] for each in settings["model_list"]] == [5, 5, 5]


def test_without_a_cache_limits_still_have_redis(tmp_path: Path) -> None:
    settings = config(tmp_path, '  cache: {mode: "off"}\n')
    assert not {"cache", "cache_params"} & settings["litellm_settings"].keys()
    assert "coordination_redis" in settings["general_settings"]


def test_a_tenant_without_models_gets_the_demonstration_models(tmp_path: Path) -> None:
    settings = config(tmp_path)
    names = [each["model_name"] for each in settings["model_list"]]
    assert names == ["demo-model", "demo-embedding"]
    for each in settings["model_list"]:
        assert each["litellm_params"]["model"] == f"cloudfreedom/{each['model_name']}"
        assert each["litellm_params"]["input_cost_per_token"] > 0
    assert settings["litellm_settings"]["custom_provider_map"] == [
        {"provider": "cloudfreedom", "custom_handler": "gateway.adapter.demo_model.demo_model"}
    ]


def test_a_tenant_with_models_has_no_demonstration(tmp_path: Path) -> None:
    settings = config(tmp_path, MODELS)
    assert [each["model_name"] for each in settings["model_list"]] == ["small", "big", "long"]
    assert "custom_provider_map" not in settings["litellm_settings"]


@pytest.mark.parametrize("stack", stacks(FOLDER))
def test_it_is_plain_data_and_holds_no_secret(stack: str) -> None:
    settings = litellm_config(load(stack, hosts={}, folder=FOLDER))
    text = yaml.safe_dump(settings, sort_keys=False)
    assert yaml.safe_load(text) == settings
    for line in text.splitlines():
        key, _, value = line.strip().removeprefix("- ").partition(": ")
        if key in {"master_key", "api_key", "password"}:
            assert value.startswith("os.environ/")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai", "PROVIDER_KEY_OPENAI"),
        ("azure-west-2", "PROVIDER_KEY_AZURE_WEST_2"),
    ],
)
def test_a_provider_key_has_a_variable_that_litellm_does_not_know(name: str, variable: str) -> None:
    assert provider_key_env(name) == variable
