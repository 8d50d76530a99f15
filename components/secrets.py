"""The one table of a tenant's secrets."""

from collections.abc import Iterator

from components.services.accounts import database_roles, valkey_users
from components.spec import SecretSpec
from components.stack_config import Rotation
from tenants.model import Tenant

BILLING_KEY = "billing-key"
LOGIN_SECRET = "login-secret"  # noqa: S105 - a name


def program_key(name: str) -> str:
    """Name of the secret that is a program's key for LiteLLM."""
    return f"litellm-key-{name}"


def provider_key(name: str) -> str:
    """Name of the secret that is a provider's key."""
    return f"provider-key-{name}"


def tenant_secrets(tenant: Tenant, rotation: Rotation) -> Iterator[SecretSpec]:
    """All secrets of a tenant.

    There is no rotation for the salt, which encrypts what LiteLLM stores, nor for the first admin's
    password, whose later changes are Open WebUI's own.
    """
    for role in database_roles(tenant):
        yield SecretSpec(name=role.secret, generation=rotation.postgres)
    for user in valkey_users(tenant):
        yield SecretSpec(name=user.secret, generation=rotation.redis)
    yield SecretSpec(name="litellm-master", generation=rotation.litellm, form=_api_key)
    yield SecretSpec(name="litellm-openwebui", generation=rotation.litellm, form=_api_key)
    for key in tenant.litellm.keys:
        yield SecretSpec(name=program_key(key.name), generation=rotation.litellm, form=_api_key)
    yield SecretSpec(name="litellm-salt", protect=True)
    yield SecretSpec(name="openwebui-session", generation=rotation.openwebui)
    yield SecretSpec(name="openwebui-identity", generation=rotation.openwebui)
    yield SecretSpec(name="openwebui-admin", protect=True)
    for name in tenant.litellm.provider_key_names:
        yield SecretSpec(name=provider_key(name), given=True)
    if tenant.billing:
        yield SecretSpec(name=BILLING_KEY, given=True)
    if tenant.login:
        yield SecretSpec(name=LOGIN_SECRET, given=True)


def _api_key(value: str) -> str:
    return f"sk-{value}"
