"""The tenants of the end-to-end tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.billing.client import Billing
from tests.providers.client import Providers

GRACE = "20s"
USD_RATE = "0.5"
PRICE = {"input_per_million": 1, "output_per_million": 2}


def beta(slug: str, *, chat: int, api: int) -> dict[str, Any]:
    """A tenant as small as can be, which gets the demonstration model."""
    return {
        "slug": slug,
        "name": "Beta",
        "openwebui": {"port": chat, "signup": True},
        "litellm": {"port": api},
    }


@dataclass(frozen=True)
class Models:
    """Models of a tenant; one with a single deployment gives it its own name."""

    providers: Providers

    def deployment(self, name: str, model: str = "openai/gpt-4.1", **more: Any) -> dict[str, Any]:
        suffix = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}[model.partition("/")[0]]
        url = f"{self.providers.deployment(name).url}{suffix}"
        return {"model": model, "api_base": url, "price": PRICE, **more}

    def single(self, name: str, model: str = "openai/gpt-4.1", **more: Any) -> dict[str, Any]:
        return {"name": name, "deployments": [self.deployment(name, model, **more)]}

    def double(self, name: str, **weights: int) -> dict[str, Any]:
        deployments = [self.deployment(each, weight=weight) for each, weight in weights.items()]
        return {"name": name, "deployments": deployments}


def alpha(
    slug: str, *, chat: int, api: int, metrics: Sequence[int], providers: Providers
) -> dict[str, Any]:
    """A tenant that uses what a tenant can have but budgets, with three providers.

    A model that fails in a test is used by no other, because failures are counted for a minute.
    """
    single, double = Models(providers).single, Models(providers).double
    postgres, redis = metrics
    return {
        "slug": slug,
        "name": "Alpha",
        "postgres_exporter": {"port": postgres},
        "redis_exporter": {"port": redis},
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


def delta(
    slug: str, *, bind: str, chat: int, api: int, providers: Providers, billing: int, identity: int
) -> dict[str, Any]:
    """A tenant whose people and budgets are a core's.

    Args:
        bind: where people's browsers reach the chat; the core tells it there who signed out.
        billing: port of the core's Billing API.
        identity: port of the core's login.
    """
    return {
        "slug": slug,
        "name": "Delta",
        "bind": bind,
        "openwebui": {"port": chat},
        "litellm": {"port": api, "models": [Models(providers).single("paid")]},
        "billing": {"url": f"http://billing-api:{billing}", "grace": "5s"},
        "login": {"issuer": f"http://identity-core:{identity}"},
    }


def core_of(
    slug: str, *, tenant: str, chat_url: str, billing: int, identity: int
) -> dict[str, Any]:
    """A core with one tenant, an admin there, and somebody with a small budget."""
    return {
        "slug": slug,
        "name": "Delta's Core",
        "billing": {"port": billing},
        "identity": {"port": identity},
        "tenants": [
            {
                "slug": tenant,
                "name": "Delta",
                "chat_url": chat_url,
                "people": [
                    {"email": "ada@example.com", "name": "Ada Admin", "role": "admin",
                     "budget": {"amount": 5}},
                    {"email": "ben@example.com", "name": "Ben Example",
                     "budget": {"amount": "0.0005"}},
                ],
            }
        ],
    }  # fmt: skip


def gamma(
    slug: str, *, chat: int, api: int, providers: Providers, billing: Billing
) -> dict[str, Any]:
    """A tenant with budgets."""
    single = Models(providers).single
    priceless = {"input_per_million": 0, "output_per_million": 0}
    return {
        "slug": slug,
        "name": "Gamma",
        "openwebui": {"port": chat, "signup": True},
        "litellm": {
            "port": api,
            "models": [
                single("paid"),
                single("claude", "anthropic/claude-x"),
                single("gemini", "gemini/gemini-x"),
                single("embed", "openai/embed-x"),
                single("broken"),
                single("cut"),
                single("free", price=priceless),
                single("thinker", "openai/gpt-5"),
                single("known", price=None),
                single("picky", stream_usage=False),
                single("pictures", "openai/gpt-4o-mini"),
            ],
            "fallbacks": {"broken": ["claude"]},
            "routing": {"retries": 1, "timeout": "10s", "cooldown": "1s"},
            "keys": [
                {"name": "reports", "user": "reports@example.com"},
                {"name": "narrow", "user": "narrow@example.com", "models": ["claude"]},
                {"name": "slow-one", "user": "slow@example.com", "requests_per_minute": 2},
            ],
        },
        "billing": {
            # A name without a dot: the way from a tenant to its Docker host.
            "url": f"http://billing-api:{billing.base_url.rpartition(':')[2]}",
            "grace": GRACE,
            "batch": 20,
            "currency": "EUR",
            "usd_rate": {"rate": USD_RATE, "as_of": "2026-11-20"},
        },
    }


def epsilon(
    slug: str, *, chat: int, api: int, providers: Providers, billing: Billing, issuer: str
) -> dict[str, Any]:
    """A tenant whose people and budgets are somebody else's, who has groups instead of roles."""
    return {
        "slug": slug,
        "name": "Epsilon",
        "openwebui": {"port": chat},
        "litellm": {"port": api, "models": [Models(providers).single("paid")]},
        "billing": {"url": billing.base_url, "grace": GRACE},
        "login": {
            "issuer": issuer,
            "name": "Canaille",
            "client_id": f"chat-of-{slug}",
            "scopes": ["groups"],
            "roles_claim": "groups",
            "users": ["Chat People"],
            "admins": ["Chat Admins"],
        },
    }
