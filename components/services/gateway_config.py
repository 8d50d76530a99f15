"""Settings of the code in `gateway/`: its file `gateway.json`."""

from decimal import Decimal

from gateway import settings
from schema.types import base_url
from tenants.billing import Billing
from tenants.litellm import ApiKey, Cache, CacheMode, LiteLLM
from tenants.model import Tenant

_MARGIN_SECONDS = 60
_MEBIBYTE = 1024 * 1024


def gateway_config(tenant: Tenant) -> settings.Settings:
    """The gateway's settings; the secrets are in its environment."""
    limits = tenant.litellm.rate_limits
    return settings.Settings(
        tenant=tenant.slug,
        account=tenant.account,
        login=tenant.login is not None,
        billing=_billing(tenant, tenant.billing) if tenant.billing else None,
        markup_percent=tenant.billing.markup_percent if tenant.billing else Decimal(0),
        person=settings.Limits(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
        ),
        keys=tuple(_key(key) for key in tenant.litellm.keys),
        max_body_bytes=tenant.litellm.max_body_mb * _MEBIBYTE,
        body_memory_bytes=tenant.litellm.body_memory_mb * _MEBIBYTE,
        longest_request_seconds=_longest_request_seconds(tenant.litellm),
        cache_ttl_seconds=_cache_ttl_seconds(tenant.litellm.cache),
    )


def _billing(tenant: Tenant, billing: Billing) -> settings.Billing:
    return settings.Billing(
        url=base_url(billing.url),
        check_path=billing.check_path,
        log_path=billing.log_path,
        batch=billing.batch,
        grace_seconds=billing.grace,
        contract=billing.contract_version,
        user_id=tenant.user_id.value,
        currency=billing.currency,
        usd_rate=billing.usd_rate.rate if billing.usd_rate else Decimal(1),
    )


def _key(key: ApiKey) -> settings.ApiKey:
    return settings.ApiKey(
        name=key.name,
        user=key.user,
        models=None if key.models is None else tuple(key.models),
        requests_per_minute=key.requests_per_minute,
        tokens_per_minute=key.tokens_per_minute,
    )


def _cache_ttl_seconds(cache: Cache) -> int | None:
    return None if cache.mode is CacheMode.OFF else cache.ttl


def _longest_request_seconds(litellm: LiteLLM) -> int:
    """Every try of a request, at the model and all of its fallbacks, may take the whole timeout."""
    routing = litellm.routing
    fallbacks = [*litellm.fallbacks.values(), *litellm.context_window_fallbacks.values()]
    places = 1 + max((len(models) for models in fallbacks), default=0)
    return routing.timeout * (routing.retries + 1) * places + _MARGIN_SECONDS
