"""The one table of a core's secrets."""

from collections.abc import Iterator

from components.spec import SecretRef, SecretSpec
from core.deployment.first_password import readable
from core.deployment.stack_config import Rotation
from core.model import Core

SUPERUSER = "superuser"
"""Password of the operator at PocketBase's administration."""
SERVICES = "services"
"""Password of the core's own services at PocketBase."""
OPERATOR_KEY = "operator-key"
"""Key of the provisioning interface."""
STORAGE_KEY = "storage-key"
"""Encrypts the signing keys where they are kept."""
KEY, CLIENT = "key", "client"
"""Of each tenant: its key at the Billing API, and its secret at the identity provider."""


def core_secrets(core: Core, rotation: Rotation) -> Iterator[SecretSpec]:
    """All secrets of a core.

    Each generation of a tenant's key and secret is a value of its own, so that two can count
    together until the tenant comes with the newest.
    """
    yield SecretSpec(name=SUPERUSER, generation=rotation.pocketbase)
    yield SecretSpec(name=SERVICES, generation=rotation.pocketbase)
    yield SecretSpec(name=OPERATOR_KEY, generation=rotation.tenants)
    yield SecretSpec(name=STORAGE_KEY, protect=True)
    for tenant in core.tenants:
        for kind in (KEY, CLIENT):
            for generation in _generations(tenant.slug, rotation):
                name = _name(kind, tenant.slug, generation)
                yield SecretSpec(name=name, generation=generation)
        for person in tenant.people:
            long = f"password-{person.email}"
            yield SecretSpec(name=long)
            yield SecretSpec(name=f"first-{long}", resource=long, form=readable)


def newest(kind: str, core: Core, rotation: Rotation) -> dict[str, SecretRef]:
    """The newest of a kind, by tenant."""
    return {
        tenant.slug: SecretRef(_name(kind, tenant.slug, rotation.generation(tenant.slug)))
        for tenant in core.tenants
    }


def previous(kind: str, core: Core, rotation: Rotation) -> dict[str, SecretRef]:
    """Those before, by tenant, which count until the tenant comes with the newest."""
    return {
        tenant.slug: SecretRef(_name(kind, tenant.slug, generation))
        for tenant in core.tenants
        for generation in _generations(tenant.slug, rotation)[1:]
    }


def first_passwords(core: Core) -> dict[str, SecretRef]:
    """First passwords of people, by e-mail."""
    return {email: SecretRef(f"first-password-{email}") for email in _people(core)}


def long_first_passwords(core: Core) -> dict[str, SecretRef]:
    """The values that they are made from, which earlier versions gave to people."""
    return {email: SecretRef(f"password-{email}") for email in _people(core)}


def _people(core: Core) -> list[str]:
    return [person.email for tenant in core.tenants for person in tenant.people]


def _generations(slug: str, rotation: Rotation) -> list[int]:
    latest = rotation.generation(slug)
    return [latest] if slug in rotation.now or latest == 1 else [latest, latest - 1]


def _name(kind: str, slug: str, generation: int) -> str:
    return f"{kind}{generation if generation > 1 else ''}-{slug}"
