"""Writes a tenant or a core as a Compose project: the Compose file, its secrets beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.stack_config import SECRET_KEYS
from ops.compose import compose_project
from ops.keys import nested
from ops.record import Recording, record
from ops.state import filled, values_of
from ops.values import ValueFile
from ops.yaml_io import FileError, read_config, read_yaml, write_private, write_yaml

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
    state: str = "",
) -> Exported:
    """Export what `stack` is to `folder`, keeping the secrets that are there.

    Args:
        stack: the name of its file, and of its Pulumi stack.
        root: the Pulumi project's folder.
        folder: made if it is missing.
        settings: config of the stack that wins over its file, such as `images`.
        keys: secret config of the stack, by path.
        state: of Pulumi's stack, whose generated secrets are taken over.

    Raises:
        pulumi.RunError: the tenant or its config cannot be used.
        ExportError: it says something that Compose cannot.
        FileError: the stack's file cannot be read.
        StateError: the state has no secrets.
    """
    values = ValueFile(folder / "values.json")
    if state:
        values.take(values_of(state))
    recording = _recorded(stack, root=root, settings=settings, keys=keys, values=values)
    project = compose_project(f"{_project(root)}-{stack}", recording)
    folder.mkdir(parents=True, exist_ok=True)
    values.save()
    write_private(folder / ".env", _env_file(project.environment))
    write_private(folder / "outputs.json", json.dumps(recording.outputs, indent=2) + "\n")
    write_yaml(folder / "compose.yaml", project.file)
    return Exported(folder, project.wait_seconds)


def carry_back(stack: str, *, root: Path, folder: Path, keys: Mapping[str, str], state: str) -> str:
    """The state of a new stack of Pulumi with the secrets and volumes of an export in it.

    Args:
        stack: the name of its file, and of its Pulumi stack.
        root: the Pulumi project's folder.
        folder: that it was exported to.
        keys: secret config of the stack, by path.
        state: what `pulumi stack export` printed of the new stack.

    Raises:
        pulumi.RunError: the tenant or its config cannot be used.
        FileError: nothing was exported there, or the stack's file cannot be read.
        StateError: the stack is not new.
    """
    path = folder / "values.json"
    if not path.exists():
        raise FileError(f"{path}: there is no such file: the folder of an export has one")
    values = ValueFile(path)
    recording = _recorded(stack, root=root, settings={}, keys=keys, values=values)
    return filled(state, recording, values.by_name(), stack=stack, project=_project(root))


def _recorded(
    stack: str,
    *,
    root: Path,
    settings: Mapping[str, str],
    keys: Mapping[str, str],
    values: ValueFile,
) -> Recording:
    project = _project(root)
    config = _config(root / f"Pulumi.{stack}.yaml", project) | dict(settings)
    secret = nested(keys)
    return record(
        stack,
        project=project,
        config={key: as_handed_over(value) for key, value in (config | secret).items()},
        secret_keys=list(secret),
        values=values,
        program=root / "__main__.py",
    )


def _project(root: Path) -> str:
    return str(read_yaml(root / "Pulumi.yaml")["name"])


def _config(path: Path, project: str) -> dict[str, Any]:
    """Config of a stack by key, without what only Pulumi could decrypt or look up."""
    config = {
        key.removeprefix(f"{project}:"): value
        for key, value in read_config(path).items()
        if key.startswith(f"{project}:")
    }
    return {key: value for key, value in config.items() if key not in _ONLY_PULUMIS}


def as_handed_over(value: Any) -> str:
    """A config value as Pulumi hands it to the program."""
    return value if isinstance(value, str) else json.dumps(value, default=str)  # a day


def _env_file(environment: Mapping[str, str]) -> str:
    # In single quotes, a backslash before a quote or at the end could not be said.
    escapes = str.maketrans({character: rf"\{character}" for character in '\\"$'})
    return "".join(f'{name}="{value.translate(escapes)}"\n' for name, value in environment.items())
