"""What the code of `gateway/` is told about a tenant: its file `gateway.json`, as data."""

from typing import Any

from tenants.model import ApiKey, Billing, LiteLLM, Tenant, base_url

Json = dict[str, Any]

_MARGIN_SECONDS = 60


def gateway_config(tenant: Tenant) -> Json:
    """What `gateway.settings` reads; the secrets are in the environment."""
    limits = tenant.litellm.rate_limits
    return {
        "tenant": tenant.slug,
        "account": tenant.account,
        "billing": _billing(tenant.billing) if tenant.billing else None,
        "markup_percent": str(tenant.billing.markup_percent) if tenant.billing else "0",
        "person": {
            "requests_per_minute": limits.requests_per_minute,
            "tokens_per_minute": limits.tokens_per_minute,
        },
        "keys": [_key(key) for key in tenant.litellm.keys],
        "longest_request_seconds": _longest_request_seconds(tenant.litellm),
    }


def api_key_env(name: str) -> str:
    """Variable that holds the key of a program."""
    return f"API_KEY_{name.upper().replace('-', '_')}"


def _billing(billing: Billing) -> Json:
    return {
        "url": base_url(billing.url),
        "check_path": billing.check_path,
        "log_path": billing.log_path,
        "batch": billing.batch,
        "grace_seconds": billing.grace,
    }


def _key(key: ApiKey) -> Json:
    return {
        "name": key.name,
        "user": key.user,
        "models": key.models,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
    }


def _longest_request_seconds(litellm: LiteLLM) -> int:
    """Every try of a request, at the model and all of its fallbacks, may take the whole timeout."""
    routing = litellm.routing
    fallbacks = [*litellm.fallbacks.values(), *litellm.context_window_fallbacks.values()]
    places = 1 + max((len(models) for models in fallbacks), default=0)
    return routing.timeout * (routing.retries + 1) * places + _MARGIN_SECONDS
