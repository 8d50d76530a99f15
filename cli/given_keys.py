"""Keys that others gave, from the environment, for whoever has no Pulumi to keep them."""

import os
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from schema.private_file import write_private

_PROVIDER = "CLOUDFREEDOM_PROVIDER_KEY_"
_BACKUP = "CLOUDFREEDOM_BACKUP_CREDENTIAL_"
_OTHERS = {
    "CLOUDFREEDOM_BILLING_KEY": "billingKey",
    "CLOUDFREEDOM_LOGIN_SECRET": "loginSecret",
}


def given_keys() -> dict[str, str]:
    """All keys that were given, by their place in a tenant's config.

    `CLOUDFREEDOM_PROVIDER_KEY_OPENAI_EU` is `providerKeys.openai-eu`.
    """
    keys = {
        f"providerKeys.{variable.removeprefix(_PROVIDER).lower().replace('_', '-')}": key
        for variable, key in os.environ.items()
        if variable.startswith(_PROVIDER)
    }
    keys |= {
        f"backupCredentials.{variable.removeprefix(_BACKUP)}": key
        for variable, key in os.environ.items()
        if variable.startswith(_BACKUP)
    }
    others = {path: os.environ.get(variable, "") for variable, path in _OTHERS.items()}
    return keys | {path: key for path, key in others.items() if key}


def variable(path: str) -> str:
    """The variable of a key that has this place in a config."""
    section, _, name = path.rpartition(".")
    if section == "providerKeys":
        return f"{_PROVIDER}{name.upper().replace('-', '_')}"
    if section:
        return f"{_BACKUP}{name}"
    return next(variable for variable, place in _OTHERS.items() if place == path)


def write_keys(path: Path, keys: Mapping[str, str]) -> None:
    """Write a shell script that only its owner reads, which sets the variable of each key."""
    lines = (f"export {variable(place)}={quote(key)}\n" for place, key in keys.items())
    write_private(path, "".join(lines))


def nested(keys: Mapping[str, str]) -> dict[str, Any]:
    """The same as Pulumi hands it to the program: `a.b` is `b` of the mapping `a`."""
    config: dict[str, Any] = {}
    for path, key in keys.items():
        section, _, name = path.rpartition(".")
        (config.setdefault(section, {}) if section else config)[name] = key
    return config
