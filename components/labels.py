"""The labels that mark everything on a Docker host as a tenant's."""

from tenants.model import Tenant

TENANT = "cloudfreedom.tenant"
PART = "cloudfreedom.part"


def labels(tenant: Tenant, part: str) -> dict[str, str]:
    """Labels of one container, network or volume; sorted, as the provider reads them back."""
    return {PART: part, TENANT: tenant.slug}
