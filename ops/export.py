"""Writes a tenant or a core as a Compose project: the Compose file, its secrets beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.stack_config import SECRET_KEYS
from ops.compose import compose_project
from ops.files import read_config, read_yaml, write_private, write_yaml
from ops.keys import nested
from ops.record import record
from ops.values import ValueFile

_ONLY_PULUMIS = {*SECRET_KEYS, "core"}


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
    stack: str,
    *,
    root: Path,
    folder: Path,
    settings: Mapping[str, str],
    keys: Mapping[str, str],
) -> Exported:
    """Export what `stack` is to `folder`, keeping the secrets that are there.

    Args:
        stack: the name of its file, and of its Pulumi stack.
        root: the Pulumi project's folder.
        folder: made if it is missing.
        settings: config of the stack that wins over its file, such as `images`.
        keys: secret config of the stack, by path.

    Raises:
        pulumi.RunError: the tenant or its config cannot be used.
        ExportError: it says something that Compose cannot.
        FileError: the stack's file cannot be read.
    """
    project_name = str(read_yaml(root / "Pulumi.yaml")["name"])
    config = _config(root / f"Pulumi.{stack}.yaml", project_name) | dict(settings)
    secret = nested(keys)
    folder.mkdir(parents=True, exist_ok=True)
    values = ValueFile(folder / "values.json")
    recording = record(
        stack,
        project=project_name,
        config={key: _handed_over(value) for key, value in (config | secret).items()},
        secret_keys=list(secret),
        values=values,
        program=root / "__main__.py",
    )
    project = compose_project(f"{project_name}-{stack}", recording)
    values.save()
    write_private(folder / ".env", _env_file(project.environment))
    write_private(folder / "outputs.json", json.dumps(recording.outputs, indent=2) + "\n")
    write_yaml(folder / "compose.yaml", project.file)
    return Exported(folder, project.wait_seconds)


def _config(path: Path, project: str) -> dict[str, Any]:
    """Config of a stack by key, without what only Pulumi could decrypt or look up."""
    config = {
        key.removeprefix(f"{project}:"): value
        for key, value in read_config(path).items()
        if key.startswith(f"{project}:")
    }
    return {key: value for key, value in config.items() if key not in _ONLY_PULUMIS}


def _handed_over(value: Any) -> str:
    """A config value as Pulumi hands it to the program."""
    return value if isinstance(value, str) else json.dumps(value)


def _env_file(environment: Mapping[str, str]) -> str:
    # In single quotes, a backslash before a quote or at the end could not be said.
    escapes = str.maketrans({character: rf"\{character}" for character in '\\"$'})
    return "".join(f'{name}="{value.translate(escapes)}"\n' for name, value in environment.items())
