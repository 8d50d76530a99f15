"""The services of a tenant: a section of its file or its config, and the module of that name."""

from importlib import import_module
from types import ModuleType

from components.stack_config import StackConfig
from schema.types import service_sections
from tenants.model import Tenant


def service_modules(tenant: Tenant, config: StackConfig) -> dict[str, ModuleType]:
    """The module of each service that the tenant has, by the service's name.

    A module of the tenant's file has a function `service(tenant, config, image)`, which says what
    the service is. Any may have `DATABASE_ROLES` and `VALKEY_USERS`, the accounts that it needs.
    """
    sections = service_sections(tenant) | service_sections(config)
    return {
        name: import_module(f"components.services.{section}") for name, section in sections.items()
    }
