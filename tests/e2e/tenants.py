"""The two tenants of the end-to-end tests."""

from typing import Any

from tests.providers.client import Providers

PRICE = {"input_per_million": 1, "output_per_million": 2}


def beta(slug: str, *, chat: int, api: int) -> dict[str, Any]:
    """A tenant as small as can be, which gets the demonstration model."""
    return {
        "slug": slug,
        "name": "Beta",
        "openwebui": {"port": chat, "signup": True},
        "litellm": {"port": api},
    }


def alpha(slug: str, *, chat: int, api: int, providers: Providers) -> dict[str, Any]:
    """A tenant that uses what a tenant can have, with three providers.

    A model with one deployment gives it its own name; one that fails in a test is used by no
    other test, because failures are counted for a minute.
    """

    def deployment(name: str, model: str = "openai/gpt-5", **more: Any) -> dict[str, Any]:
        suffix = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}[model.partition("/")[0]]
        url = f"{providers.deployment(name).url}{suffix}"
        return {"model": model, "api_base": url, "price": PRICE, **more}

    def single(name: str, model: str = "openai/gpt-5", **more: Any) -> dict[str, Any]:
        return {"name": name, "deployments": [deployment(name, model, **more)]}

    def double(name: str, **weights: int) -> dict[str, Any]:
        deployments = [deployment(each, weight=weight) for each, weight in weights.items()]
        return {"name": name, "deployments": deployments}

    return {
        "slug": slug,
        "name": "Alpha",
        "openwebui": {"port": chat, "signup": False},
        "litellm": {
            "port": api,
            "models": [
                single("gpt"),
                single("claude", "anthropic/claude-x"),
                single("gemini", "gemini/gemini-x"),
                single("embed", "openai/embed-x"),
                single("roomy"),
                single("first"),
                single("second", "anthropic/claude-x"),
                single("third", "gemini/gemini-x"),
                single("retried"),
                single("busy"),
                single("slow"),
                single("dying"),
                single("limited", requests_per_minute=2),
                single("metered", tokens_per_minute=1000),
                double("balanced", heavy=9, light=1),
                double("cooling", flaky=1000, steady=1),
            ],
            "fallbacks": {"first": ["second", "third"], "slow": ["roomy"]},
            "context_window_fallbacks": {
                "gpt": ["roomy"],
                "claude": ["roomy"],
                "gemini": ["roomy"],
            },
            # Nothing here is LiteLLM's own default.
            "routing": {
                "retries": 1,
                "timeout": "3s",
                "allowed_failures": 5,
                "cooldown": "7s",
            },
            "cache": {"ttl": "5s"},
            "rate_limits": {"requests_per_minute": 20, "tokens_per_minute": 100_000},
        },
    }
