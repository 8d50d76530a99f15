"""Provider keys from the environment, for whoever has no Pulumi to keep them."""

import os

_VARIABLE = "CLOUDFREEDOM_PROVIDER_KEY_"


def provider_keys() -> dict[str, str]:
    """Keys by name: `CLOUDFREEDOM_PROVIDER_KEY_OPENAI_EU` holds the key `openai-eu`."""
    return {
        variable.removeprefix(_VARIABLE).lower().replace("_", "-"): key
        for variable, key in os.environ.items()
        if variable.startswith(_VARIABLE)
    }
