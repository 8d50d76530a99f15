"""Files that the command line reads and writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from schema.diagnostics import not_yaml
from schema.errors import UserError


class FileError(UserError):
    """A file cannot be used; the text says which, where, and why."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty if there is no file, or nothing in it.

    Raises:
        FileError: something else is in it.
    """
    if not path.exists():
        return {}
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, ValueError) as error:
        raise FileError(str(not_yaml(path.name, error))) from None
    if not isinstance(data, dict):
        raise FileError(f"{path.name}:1: the file: must be a mapping")
    return data


def read_config(path: Path) -> dict[str, Any]:
    """The mapping `config` of a stack's file; empty if there is none.

    Raises:
        FileError: it is no mapping.
    """
    config = read_yaml(path).get("config") or {}
    if not isinstance(config, dict):
        raise FileError(f"{path.name}: config: must be a mapping")
    return config


def project_name(root: Path) -> str:
    """Name of the Pulumi project in a folder."""
    return str(read_yaml(root / "Pulumi.yaml")["name"])


def write_yaml(path: Path, data: Mapping[str, Any]) -> None:
    """Write a mapping in the order of its keys, with texts of several lines as such."""
    text = yaml.dump(dict(data), sort_keys=False, Dumper=_Dumper, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
