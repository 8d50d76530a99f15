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
    """A tenant that uses what a tenant can have, with three providers."""

    def deployment(model: str, name: str, **more: Any) -> dict[str, Any]:
        suffix = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}[model.partition("/")[0]]
        url = f"{providers.deployment(name).url}{suffix}"
        return {"model": model, "api_base": url, "price": PRICE, **more}

    return {
        "slug": slug,
        "name": "Alpha",
        "openwebui": {"port": chat, "signup": True},
        "litellm": {
            "port": api,
            "models": [
                {"name": "gpt", "deployments": [deployment("openai/gpt-5", "gpt")]},
                {"name": "claude", "deployments": [deployment("anthropic/claude-x", "claude")]},
                {"name": "gemini", "deployments": [deployment("gemini/gemini-x", "gemini")]},
                {
                    "name": "balanced",
                    "deployments": [
                        deployment("openai/gpt-5", "heavy", weight=9),
                        deployment("openai/gpt-5", "light", weight=1),
                    ],
                },
                {
                    "name": "limited",
                    "deployments": [deployment("openai/gpt-5", "limited", requests_per_minute=2)],
                },
                {"name": "embed", "deployments": [deployment("openai/embed-x", "embed")]},
            ],
            "fallbacks": {"gpt": ["claude", "gemini"]},
            "context_window_fallbacks": {"claude": ["gemini"]},
            "routing": {"retries": 1, "timeout": "5s", "cooldown": "5s"},
        },
    }
