"""The services of a tenant: a section of its file, and the module of the same name here."""

from importlib import import_module
from types import ModuleType

from schema.types import service_sections
from tenants.model import Tenant


def service_modules(tenant: Tenant) -> dict[str, ModuleType]:
    """The module of each service that the tenant has, by the service's name.

    A module has a function `service(tenant, image)`, which says what the service is, and may have
    `DATABASE_ROLES` and `VALKEY_USERS`, the accounts that it needs.
    """
    return {
        name: import_module(f"components.services.{section}")
        for name, section in service_sections(tenant).items()
    }
