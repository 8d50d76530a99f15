"""Writes a tenant as a Compose project: the Compose file, and its secrets beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.stack_config import PROJECT, SECRET_KEYS
from ops.compose import compose_project
from ops.files import read_config, write_private, write_yaml
from ops.keys import billing_key, provider_keys
from ops.record import record
from ops.values import ValueFile


@dataclass(frozen=True)
class Exported:
    """A Compose project on disk.

    Attributes:
        folder: holds `compose.yaml`, and root-only `.env`, `values.json` and `outputs.json`.
        wait_seconds: how long all services may take to become ready.
    """

    folder: Path
    wait_seconds: int


def export(
    stack: str, *, root: Path, folder: Path, settings: Mapping[str, str] | None = None
) -> Exported:
    """Export the tenant of `stack` to `folder`, keeping the secrets that are there.

    Args:
        stack: the name of its tenant file, and of its Pulumi stack.
        root: the project's folder.
        folder: made if it is missing.
        settings: config of the stack that wins over its file, such as `images`.

    Raises:
        pulumi.RunError: the tenant or its config cannot be used.
        ExportError: it says something that Compose cannot.
        FileError: the stack's file cannot be read.
    """
    config = _stack_config(root / f"Pulumi.{stack}.yaml") | dict(settings or {})
    folder.mkdir(parents=True, exist_ok=True)
    values = ValueFile(folder / "values.json")
    recording = record(
        stack,
        config={f"{PROJECT}:{key}": _handed_over(value) for key, value in config.items()},
        secret_keys=list(SECRET_KEYS),
        values=values,
        program=root / "__main__.py",
    )
    project = compose_project(f"{PROJECT}-{stack}", recording)
    values.save()
    write_private(folder / ".env", _env_file(project.environment))
    write_private(folder / "outputs.json", json.dumps(recording.outputs, indent=2) + "\n")
    write_yaml(folder / "compose.yaml", project.file)
    return Exported(folder, project.wait_seconds)


def _stack_config(path: Path) -> dict[str, Any]:
    """Config of a stack by key, without what only Pulumi could decrypt."""
    config = {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in read_config(path).items()
        if key.startswith(f"{PROJECT}:")
    }
    return config | {"providerKeys": provider_keys(), "billingKey": billing_key()}


def _handed_over(value: Any) -> str:
    """A config value as Pulumi hands it to the program."""
    return value if isinstance(value, str) else json.dumps(value)


def _env_file(environment: Mapping[str, str]) -> str:
    # In single quotes, a backslash before a quote or at the end could not be said.
    escapes = str.maketrans({character: rf"\{character}" for character in '\\"$'})
    return "".join(f'{name}="{value.translate(escapes)}"\n' for name, value in environment.items())
