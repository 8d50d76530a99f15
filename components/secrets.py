"""The one table of a tenant's secrets."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import replace

from components.services.accounts import database_roles, valkey_users
from components.spec import SecretSpec
from components.stack_config import Deployment, StackConfig
from tenants.model import Tenant

BILLING_KEY = "billing-key"
LOGIN_SECRET = "login-secret"  # noqa: S105 - a name
_BACKUPS = "backupCredentials"
BACKUP_PASSWORD = "backup-password"  # noqa: S105 - a name


def program_key(name: str) -> str:
    """Name of the secret that is a program's key for LiteLLM."""
    return f"litellm-key-{name}"


def provider_key(name: str) -> str:
    """Name of the secret that is a provider's key."""
    return f"provider-key-{name}"


def backup_credential(name: str) -> str:
    """Name of the secret that lets backups into their repository."""
    return f"backup-credential-{name}"


def config_path(name: str) -> str:
    """Place in the stack's config of a secret that others gave."""
    for prefix, section in ((provider_key(""), "providerKeys"), (backup_credential(""), _BACKUPS)):
        if name.startswith(prefix):
            return f"{section}.{name.removeprefix(prefix)}"
    return {BILLING_KEY: "billingKey", LOGIN_SECRET: "loginSecret"}[name]


def tenant_secrets(tenant: Tenant, config: StackConfig) -> Iterator[SecretSpec]:
    """All secrets of a tenant.

    There is no rotation for the salt, which encrypts what LiteLLM stores, nor for the key of second
    factors, nor for the first admin's password, whose later changes are Open WebUI's own.
    """
    rotation = config.rotation
    for role in database_roles(tenant, config):
        yield SecretSpec(name=role.secret, generation=rotation.postgres)
    for user in valkey_users(tenant, config):
        yield SecretSpec(name=user.secret, generation=rotation.redis)
    yield SecretSpec(name="litellm-master", generation=rotation.litellm, form=_api_key)
    yield SecretSpec(name="litellm-openwebui", generation=rotation.litellm, form=_api_key)
    for key in tenant.litellm.keys:
        yield SecretSpec(name=program_key(key.name), generation=rotation.litellm, form=_api_key)
    yield SecretSpec(name="litellm-salt", protect=True)
    yield SecretSpec(name="openwebui-session", generation=rotation.openwebui)
    yield SecretSpec(name="openwebui-identity", generation=rotation.openwebui)
    yield SecretSpec(name="openwebui-admin", protect=True)
    yield SecretSpec(name="openwebui-mfa", protect=True, form=_fernet_key)
    for name in tenant.litellm.provider_key_names:
        yield SecretSpec(name=provider_key(name), given=True)
    if tenant.billing:
        yield SecretSpec(name=BILLING_KEY, given=True)
    if tenant.login:
        yield SecretSpec(name=LOGIN_SECRET, given=True)
    yield from backup_secrets(config)


def backup_secrets(config: Deployment) -> Iterator[SecretSpec]:
    """The secrets of the backups of a tenant or a core.

    There is no rotation for the password: without it no set could be read any more.
    """
    if config.backup:
        yield SecretSpec(name=BACKUP_PASSWORD, protect=True)
        for name in config.backup_credentials:
            yield SecretSpec(name=backup_credential(name), given=True)


def with_values(specs: Iterable[SecretSpec]) -> Iterator[SecretSpec]:
    """Secrets, and the generated value of each that has another form."""
    for spec in specs:
        yield spec
        if value_of(spec) != spec.name:
            yield replace(spec, name=value_of(spec), resource=spec.value_name, form=str)


def value_of(spec: SecretSpec) -> str:
    """Name of the secret that is the generated value of another."""
    return spec.name if spec.form is str else f"{spec.name}-value"


def _fernet_key(value: str) -> str:
    return urlsafe_b64encode(bytes.fromhex(value)).decode()


def _api_key(value: str) -> str:
    return f"sk-{value}"
