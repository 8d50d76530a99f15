"""How a tenant reaches the shared services, which live on no network of its own."""

from tenants.model import Tenant


def core_hosts(tenant: Tenant) -> list[str]:
    """Names of core services that the tenant's Docker host publishes itself.

    A name without a dot, such as the default `billing-api`, is no public one: it leads to
    the host. Any other is resolved as usual.
    """
    billing = [tenant.billing.url] if tenant.billing else []
    login = [tenant.login.issuer] if tenant.login else []
    return [url.host for url in (*billing, *login) if url.host and "." not in url.host]
