"""Names by which a tenant reaches what its Docker host publishes, on no network of its own."""

from pydantic import HttpUrl

from tenants.litellm import LiteLLM
from tenants.model import Tenant
from tenants.url import HOST_NAME


def core_hosts(tenant: Tenant) -> list[str]:
    """Names of core services that the tenant's Docker host publishes itself.

    A name without a dot, such as the default `billing-api`, is no public one: it leads to
    the host. Any other is resolved as usual.
    """
    billing = [tenant.billing.url] if tenant.billing else []
    login = [tenant.login.issuer] if tenant.login else []
    return [url.host for url in (*billing, *login) if url.host and _is_on_the_host(url)]


def model_hosts(litellm: LiteLLM) -> list[str]:
    """Names of model servers that the tenant's Docker host runs itself."""
    servers = {
        deployment.api_base
        for model in litellm.models
        for deployment in model.deployments
        if deployment.api_base and _is_on_the_host(deployment.api_base)
    }
    return sorted({url.host for url in servers if url.host})


def _is_on_the_host(url: HttpUrl) -> bool:
    host = url.host or ""
    return host == HOST_NAME or not any(mark in host for mark in ".:")
