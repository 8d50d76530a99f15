"""Files that the command line reads and writes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty if there is no file, or nothing in it."""
    if not path.exists():
        return {}
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def write_yaml(path: Path, data: Mapping[str, Any]) -> None:
    """Write a mapping in the order of its keys, with texts of several lines as such."""
    text = yaml.dump(dict(data), sort_keys=False, Dumper=_Dumper, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner can read it, at any moment."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
