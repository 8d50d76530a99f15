"""The secrets that others gave a tenant: its providers, and its core."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.secrets import BILLING_KEY, LOGIN_SECRET, backup_credential, provider_key
from components.services.litellm_config import provider_key_env
from components.stack_config import PROJECT, Deployment, StackConfig, StackConfigError
from schema.types import UsdRate
from tenants.model import Tenant

_CORE = "pulumi config set core organization/PROJECT/STACK, or "


@dataclass(frozen=True, kw_only=True)
class CoreCredentials:
    """A core's credentials for one tenant, and the currency of its amounts."""

    billing_key: str
    login_secret: str
    currency: str | None = None
    usd_rate: UsdRate | None = None


def credentials(
    tenant: Tenant, config: StackConfig, core: CoreCredentials | None, *, stack: str
) -> dict[str, str]:
    """The secrets that the tenant needs and does not generate, by name.

    Args:
        tenant: whose.
        config: of its stack.
        core: gives the key of the Billing API and the secret of the login where the config
            does not.
        stack: name of the stack.

    Raises:
        StackConfigError: with every one that is missing, and how to set it.
    """
    found = {
        provider_key(name): config.provider_keys.get(name, "")
        for name in tenant.litellm.provider_key_names
    }
    missing = [
        _missing(
            f"model {model} needs the provider key {name!r}",
            f"--path providerKeys.{name}",
            provider_key_env(name),
        )
        for name, model in tenant.litellm.provider_key_names.items()
        if not found[provider_key(name)].strip()
    ]
    if tenant.billing:
        found[BILLING_KEY] = config.billing_key.strip() or (core.billing_key if core else "")
        if not found[BILLING_KEY]:
            missing.append(_missing("`billing` needs a key", "billingKey", "BILLING_KEY", _CORE))
    if tenant.login:
        found[LOGIN_SECRET] = config.login_secret.strip() or (core.login_secret if core else "")
        if not found[LOGIN_SECRET]:
            missing.append(_missing("`login` needs a secret", "loginSecret", "LOGIN_SECRET", _CORE))
    backups, lacking = backup_credentials(config)
    missing += lacking
    if missing:
        raise StackConfigError("\n".join(f"tenants/{stack}.yaml: {each}" for each in missing))
    return found | backups


def backup_credentials(config: Deployment) -> tuple[dict[str, str], list[str]]:
    """The secrets of a backup's repository, by name, and a sentence for each that is missing."""
    if not config.backup:
        return {}, []
    given = config.backup_credentials
    missing = [
        _missing(
            f"`backup.repository` needs {name}",
            f"--path backupCredentials.{name}",
            f"BACKUP_CREDENTIAL_{name}",
        )
        for name in config.backup.needs
        if not given.get(name, "").strip()
    ]
    return {backup_credential(name): value for name, value in given.items()}, missing


def _missing(requirement: str, setting: str, variable: str, other: str = "") -> str:
    return (
        f"{requirement}: {other}pulumi config set --secret {setting}"
        f" (or, for an export to Compose, set CLOUDFREEDOM_{variable})"
    )


def core_credentials(
    outputs: Mapping[str, Any], slug: str, *, core: str, stack: str
) -> CoreCredentials:
    """Credentials that a core has made for a tenant.

    Args:
        outputs: of the core's stack.
        slug: the tenant.
        core: name of the core's stack.
        stack: name of the tenant's stack.

    Raises:
        StackConfigError: it is not there, or is encrypted with another passphrase.
    """
    if "tenants" not in outputs:
        raise unusable_core("is not up yet: `pulumi up` it first", core=core, stack=stack)
    known = outputs["tenants"].get(slug)
    if known is None:
        problem = f"has no tenant {slug!r}: add it to the core's file and `pulumi up` the core"
        raise unusable_core(problem, core=core, stack=stack)
    billing, login = known["billing_key"], known["login_secret"]
    if not isinstance(billing, str) or not isinstance(login, str):  # Pulumi hands over {} then
        problem = "has another passphrase, so its secrets cannot be read: give both stacks the same"
        raise unusable_core(problem, core=core, stack=stack)
    rate = known.get("usd_rate")
    return CoreCredentials(
        billing_key=billing,
        login_secret=login,
        # A core that was brought up by an earlier version says neither.
        currency=known.get("currency"),
        usd_rate=UsdRate.model_validate_json(json.dumps(rate)) if rate else None,
    )


def unusable_core(problem: str, *, core: str, stack: str) -> StackConfigError:
    """The error of a stack whose core gives no keys, with both ways out."""
    return StackConfigError(
        f"Pulumi.{stack}.yaml: {PROJECT}:core: the core {core} {problem}."
        " A core elsewhere: `pulumi config rm core`, and give its keys by value:"
        " `pulumi config set --secret billingKey`, `pulumi config set --secret loginSecret`,"
        " with its `currency` and `usdRate` beside them"
    )
