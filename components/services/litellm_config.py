"""LiteLLM's own configuration for a tenant, as data.

LiteLLM ignores what it does not know and much that stands in the wrong section, so every key here
has been seen to take effect.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from schema.types import base_url
from tenants.deployment import NO_KEY, Deployment, Price
from tenants.litellm import (
    DEMO_EMBEDDING,
    DEMO_MODEL,
    Cache,
    CacheMode,
    Fallbacks,
    LiteLLM,
    Model,
    Strategy,
)
from tenants.model import Tenant

Json = dict[str, Any]

STRATEGIES = {
    Strategy.WEIGHTED: "simple-shuffle",
    Strategy.LEAST_BUSY: "least-busy",
    Strategy.FASTEST: "latency-based-routing",
}
CACHE_MODES = {CacheMode.OPT_IN: "default_off", CacheMode.ON: "default_on"}

REDIS = {
    "host": "os.environ/REDIS_HOST",
    "port": "os.environ/REDIS_PORT",
    "username": "os.environ/REDIS_USERNAME",
    "password": "os.environ/REDIS_PASSWORD",
    "namespace": "litellm",
}

# Its rows have the names of those who pay.
_DATABASE = {
    "maximum_spend_logs_retention_period": "30d",
    # A row for every failure: anybody could fill the disk.
    "disable_error_logs": True,
}

DEMO_PROVIDER = "cloudfreedom"
DEMO_PRICE = Price(input_per_million=Decimal(1), output_per_million=Decimal(4))


def litellm_config(tenant: Tenant) -> Json:
    """LiteLLM's own configuration, `/etc/litellm/config.yaml`.

    The container's environment has `LITELLM_MASTER_KEY`, `REDIS_HOST`, `REDIS_PORT`,
    `REDIS_USERNAME`, `REDIS_PASSWORD`, a variable for each provider key (see `provider_key_env`)
    and what `gateway.adapter.auth` reads.
    """
    litellm = tenant.litellm
    return {
        "model_list": list(_deployments(litellm)) or _demo_deployments(),
        "litellm_settings": _litellm_settings(tenant),
        "router_settings": _router_settings(litellm),
        "general_settings": {
            **(_DATABASE if litellm.database else {}),
            "master_key": "os.environ/LITELLM_MASTER_KEY",
            "custom_auth": "gateway.adapter.auth.authenticate",
            # Without it a request that custom_auth let in may do everything.
            "custom_auth_run_common_checks": True,
            "coordination_redis": dict(REDIS),
        },
    }


def first_model(tenant: Tenant) -> str:
    """Name of the model that a chat begins with."""
    return tenant.litellm.model_names[0]


def provider_key_env(name: str) -> str:
    """Variable that holds a provider's key.

    It is none of the names that LiteLLM knows, such as OPENAI_API_KEY: with one of those its
    `/openai/…` routes would reach the provider past every check, at no cost.
    """
    return f"PROVIDER_KEY_{name.upper().replace('-', '_')}"


def _deployments(litellm: LiteLLM) -> Iterator[Json]:
    for model in litellm.models:
        for number, deployment in enumerate(model.deployments, start=1):
            yield _deployment(litellm, model, deployment, number)


def _deployment(litellm: LiteLLM, model: Model, deployment: Deployment, number: int) -> Json:
    params: Json = {
        "model": deployment.model,
        "api_key": _key(deployment),
        "weight": deployment.weight,
    }
    if deployment.api_base:
        params["api_base"] = base_url(deployment.api_base)
    if deployment.speaks_chat_only:
        params["use_chat_completions_api"] = True
    if deployment.requests_per_minute:
        params["rpm"] = deployment.requests_per_minute
    if deployment.tokens_per_minute:
        params["tpm"] = deployment.tokens_per_minute
    info: Json = {
        "id": f"{model.name}/{number}",
        # The router's own setting of this name is ignored when it is LiteLLM's default, 3.
        "allowed_fails": litellm.routing.allowed_failures,
    }
    if deployment.price:
        params |= _price(deployment.price)
        # Not in US dollars, as those that LiteLLM knows.
        info["own_price"] = deployment.price.input_per_million is not None
        if deployment.price.request_at_most is not None:
            info["request_at_most"] = str(deployment.price.request_at_most)
    if not deployment.stream_usage:
        # LiteLLM asks every stream for its usage.
        params.setdefault("additional_drop_params", []).append("stream_options")
    return {"model_name": model.name, "litellm_params": params, "model_info": info}


def _key(deployment: Deployment) -> str:
    name = deployment.key_name
    # LiteLLM asks for a key even where the server does not.
    return f"os.environ/{provider_key_env(name)}" if name else NO_KEY


def _price(price: Price) -> Json:
    """LiteLLM's names for it; thinking and sound cost as the rest if they are left out."""
    cached, written = price.cached_input_per_million, price.cache_write_per_million
    cached = price.input_per_million if cached is None else cached
    written = price.input_per_million if written is None else written
    per_million = {
        "input_cost_per_token": price.input_per_million,
        "output_cost_per_token": price.output_per_million,
        # Of these five, LiteLLM takes its own price for whichever is left out.
        "cache_read_input_token_cost": cached,
        "cache_read_input_token_cost_above_200k_tokens": cached,
        "cache_creation_input_token_cost": written,
        "cache_creation_input_token_cost_above_1hr": written,
        "cache_creation_input_token_cost_above_200k_tokens": written,
        "output_cost_per_reasoning_token": price.reasoning_per_million,
        "input_cost_per_audio_token": price.audio_input_per_million,
        "output_cost_per_audio_token": price.audio_output_per_million,
    }
    prices: Json = {
        name: float(cost / 1_000_000) for name, cost in per_million.items() if cost is not None
    }
    if price.per_image is not None:
        prices["output_cost_per_image"] = float(price.per_image)
    if prices:
        # With it a caller would choose a price that LiteLLM knows.
        prices["additional_drop_params"] = ["service_tier"]
    return prices


def _demo_deployments() -> list[Json]:
    price = _price(DEMO_PRICE)
    return [
        {
            "model_name": name,
            "litellm_params": {"model": f"{DEMO_PROVIDER}/{name}", **price},
            "model_info": {"id": f"{name}/1", "mode": mode, "own_price": True},
        }
        for name, mode in ((DEMO_MODEL, "chat"), (DEMO_EMBEDDING, "embedding"))
    ]


def _litellm_settings(tenant: Tenant) -> Json:
    litellm = tenant.litellm
    settings: Json = {
        "drop_params": True,
        # A caller could otherwise keep a request out of the usage log.
        "global_disable_no_log_param": True,
        # Gemini would keep a prompt for as long as its `ttl` says, at a price by the hour that
        # nobody counts.
        "disable_anthropic_gemini_context_caching_transform": True,
        # It would cost nothing, silently.
        "block_requests_for_models_without_pricing": True,
        **_cache(litellm.cache),
    }
    deployments = [each for model in litellm.models for each in model.deployments]
    if any(deployment.speaks_chat_only for deployment in deployments):
        # LiteLLM has it for all deployments at once; OpenAI's own answer chat completions too.
        settings["use_chat_completions_url_for_anthropic_messages"] = True
    if tenant.billing:
        settings["callbacks"] = ["gateway.adapter.callback.guard"]
    if not litellm.models:
        handler = "gateway.adapter.demo_model.demo_model"
        settings["custom_provider_map"] = [{"provider": DEMO_PROVIDER, "custom_handler": handler}]
    return settings


def _cache(cache: Cache) -> Json:
    if cache.mode is CacheMode.OFF:
        return {}
    return {
        "cache": True,
        "cache_params": {
            "type": "redis",
            **REDIS,
            "mode": CACHE_MODES[cache.mode],
            "ttl": cache.ttl,
            # Conversations of more than four messages would not be cached.
            "max_messages": None,
        },
    }


def _router_settings(litellm: LiteLLM) -> Json:
    routing = litellm.routing
    return {
        "routing_strategy": STRATEGIES[routing.strategy],
        "num_retries": routing.retries,
        "timeout": routing.timeout,
        "cooldown_time": routing.cooldown,
        "optional_pre_call_checks": ["enforce_model_rate_limits"],
        # A deployment at its limit would answer 429 although another one of the model is free.
        "enable_weighted_failover": True,
        "fallbacks": _fallbacks(litellm.fallbacks),
        "context_window_fallbacks": _fallbacks(litellm.context_window_fallbacks),
    }


def _fallbacks(fallbacks: Fallbacks) -> list[Json]:
    return [{model: others} for model, others in fallbacks.items()]
