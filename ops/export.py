"""Writes a tenant as a Compose project: the Compose file, and its secrets beside it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.stack_config import PROJECT
from ops.compose import compose_project
from ops.record import record
from ops.values import ValueFile, write_private

_KEY_VARIABLE = "CLOUDFREEDOM_PROVIDER_KEY_"


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
    """
    config = _stack_config(root / f"Pulumi.{stack}.yaml") | dict(settings or {})
    folder.mkdir(parents=True, exist_ok=True)
    values = ValueFile(folder / "values.json")
    recording = record(
        stack,
        config={f"{PROJECT}:{key}": _handed_over(value) for key, value in config.items()},
        secret_keys=[f"{PROJECT}:providerKeys"],
        values=values,
        program=root / "__main__.py",
    )
    project = compose_project(f"{PROJECT}-{stack}", recording)
    values.save()
    write_private(folder / ".env", _env_file(project.environment))
    write_private(folder / "outputs.json", json.dumps(recording.outputs, indent=2) + "\n")
    text = yaml.dump(project.file, sort_keys=False, Dumper=_Dumper, allow_unicode=True)
    (folder / "compose.yaml").write_text(text, encoding="utf-8")
    return Exported(folder, project.wait_seconds)


def _stack_config(path: Path) -> dict[str, Any]:
    """Config of a stack by key, without what only Pulumi could decrypt."""
    stored = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    config = {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in ((stored or {}).get("config") or {}).items()
        if key.startswith(f"{PROJECT}:")
    }
    config["providerKeys"] = _provider_keys()
    return config


def _provider_keys() -> dict[str, str]:
    return {
        variable.removeprefix(_KEY_VARIABLE).lower().replace("_", "-"): key
        for variable, key in os.environ.items()
        if variable.startswith(_KEY_VARIABLE)
    }


def _handed_over(value: Any) -> str:
    """A config value as Pulumi hands it to the program."""
    return value if isinstance(value, str) else json.dumps(value)


def _env_file(environment: Mapping[str, str]) -> str:
    quoted = {name: value.replace("'", r"\'") for name, value in environment.items()}
    return "".join(f"{name}='{value}'\n" for name, value in quoted.items())


class _Dumper(yaml.SafeDumper):
    """Shows texts of several lines as such, and everything in full."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _present_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _present_text)
