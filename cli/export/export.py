"""Writes a tenant or a core as a Compose project: the Compose file, its secrets beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from cli.export.recording import program_file, record
from cli.export.state import filled, values_of
from cli.given_keys import nested
from cli.yaml_io import FileError, project_name, read_config, write_yaml
from components.compose.project import compose_project
from components.compose.secret_file import SecretFile
from components.credentials import CoreCredentials
from components.spec import SECRET_BYTES, Deployment
from components.stack_config import SECRET_KEYS
from components.tenant import tenant_deployment
from core.deployment.core import core_deployment
from core.deployment.stack_config import PROJECT as CORE_PROJECT
from schema.private_file import write_private

SETTINGS = "settings.json"
"""File of an export with the settings that won over those of the stack's own file."""

FILES = ("compose.yaml", ".env", "secrets.json", "outputs.json", SETTINGS)
"""All files of an export."""

_ONLY_PULUMIS = {*SECRET_KEYS, "core"}


@dataclass(frozen=True)
class Exported:
    """A Compose project on disk.

    Attributes:
        folder: holds `compose.yaml`, and root-only `.env`, `secrets.json` and `outputs.json`.
        wait_seconds: how long all services may take to become ready.
        hint: of a setting that only Pulumi could look up; empty if there is none.
    """

    folder: Path
    wait_seconds: int
    hint: str = ""


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
        UserError: the file, the config or the state cannot be used, or says something that
            Compose cannot.
    """
    secrets = SecretFile(folder)
    if state:
        secrets.take(values_of(state))
    deployment = _deployment(stack, root=root, settings=settings, keys=keys)
    values = secrets.secrets(deployment)
    project = compose_project(f"{project_name(root)}-{stack}", deployment.spec, values)
    folder.mkdir(parents=True, exist_ok=True)
    secrets.save()
    write_private(folder / ".env", _env_file(project.environment))
    write_private(folder / SETTINGS, json.dumps(dict(settings), indent=2) + "\n")
    write_private(folder / "outputs.json", json.dumps(project.outputs, indent=2) + "\n")
    write_yaml(folder / "compose.yaml", project.file)
    return Exported(folder, project.wait_seconds, _hint(stack, root=root, settings=settings))


def _hint(stack: str, *, root: Path, settings: Mapping[str, str]) -> str:
    """Says that a core's currency does not come by itself without Pulumi."""
    file, project = f"Pulumi.{stack}.yaml", project_name(root)
    config = read_config(root / file)
    said = any(key in settings or f"{project}:{key}" in config for key in ("currency", "usdRate"))
    if said or f"{project}:core" not in config:
        return ""
    return (
        f"{file}: {project}:core: an export does not ask the core for its currency: if the budgets"
        " are not in US dollars, set `currency` and `usdRate` beside it as the core's file has them"
    )


def carry_back(
    stack: str, *, root: Path, folder: Path | None, keys: Mapping[str, str], state: str
) -> str:
    """The state of a new stack of Pulumi with secrets and the volumes that are there in it.

    Args:
        stack: the name of its file, and of its Pulumi stack.
        root: the Pulumi project's folder.
        folder: of an export, whose secrets they are; without, all are made anew.
        keys: secret config of the stack, by path.
        state: what `pulumi stack export` printed of the new stack.

    Raises:
        pulumi.RunError: the tenant or its config cannot be used.
        FileError: nothing was exported there, or the stack's file cannot be read.
        StateError: the stack is not new.
    """
    values = _exported_values(folder) if folder else {}
    project = project_name(root)
    config, given = _settings(stack, root=root, settings={}), nested(keys)
    recording = record(
        stack,
        project=project,
        config=config | _as_handed_over(given),
        secret_keys=list(given),
        value=lambda name, _: values.get(name) or token_hex(SECRET_BYTES),
        program=program_file(root / "__main__.py"),
    )
    return filled(state, recording, stack=stack, project=project)


def _exported_values(folder: Path) -> Mapping[str, str]:
    secrets = SecretFile(folder)
    values = secrets.by_name()
    if not values:
        raise FileError(f"{secrets.path}: there is no such file: the folder of an export has one")
    return values


def _deployment(
    stack: str, *, root: Path, settings: Mapping[str, str], keys: Mapping[str, str]
) -> Deployment:
    config = _settings(stack, root=root, settings=settings) | _as_handed_over(nested(keys))
    if project_name(root) == CORE_PROJECT:
        return core_deployment(stack, root, config)
    return tenant_deployment(stack, root, config, _no_core)


def _no_core(core: str, slug: str) -> CoreCredentials:
    raise NotImplementedError(f"an export of {slug} looks up no stack {core}")


def _settings(stack: str, *, root: Path, settings: Mapping[str, str]) -> dict[str, str]:
    config = _config(root / f"Pulumi.{stack}.yaml", project_name(root))
    return _as_handed_over(config | dict(settings))


def plain_config(stack: str, *, root: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Config of a stack as Pulumi hands it over, without what is encrypted.

    Args:
        stack: its name.
        root: the Pulumi project's folder.
        settings: that win over the file.

    Raises:
        FileError: the file cannot be read.
    """
    project = project_name(root)
    core = read_config(root / f"Pulumi.{stack}.yaml").get(f"{project}:core")
    found = _settings(stack, root=root, settings=settings)
    return {"core": str(core)} | found if core else found


def _as_handed_over(config: Mapping[str, Any]) -> dict[str, str]:
    return {key: as_handed_over(value) for key, value in config.items()}


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
