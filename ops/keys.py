"""Keys that others gave, from the environment, for whoever has no Pulumi to keep them."""

import os

_PROVIDER = "CLOUDFREEDOM_PROVIDER_KEY_"
_BILLING = "CLOUDFREEDOM_BILLING_KEY"


def provider_keys() -> dict[str, str]:
    """Keys by name: `CLOUDFREEDOM_PROVIDER_KEY_OPENAI_EU` holds the key `openai-eu`."""
    return {
        variable.removeprefix(_PROVIDER).lower().replace("_", "-"): key
        for variable, key in os.environ.items()
        if variable.startswith(_PROVIDER)
    }


def billing_key() -> str:
    """The tenant's key at the Billing API; empty if none was given."""
    return os.environ.get(_BILLING, "")


def keys_by_path() -> dict[str, str]:
    """All keys that were given, by their place in a stack's config."""
    keys = {f"providerKeys.{name}": key for name, key in provider_keys().items()}
    return keys | ({"billingKey": billing_key()} if billing_key() else {})
