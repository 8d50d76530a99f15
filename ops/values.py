"""Generated secrets of a tenant that runs without Pulumi, kept in one root-only file."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.yaml_io import write_private


class ValueFile:
    """Values by resource name; a value changes only when its keepers do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Any] = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        )

    def random_hex(self, name: str, *, length: int, keepers: Mapping[str, str]) -> str:
        """The value of `name`: `length` random bytes in hexadecimal."""
        kept = self._values.get(name)
        if kept is None or kept["keepers"] != dict(keepers):
            kept = {"keepers": dict(keepers), "hex": secrets.token_hex(length)}
            self._values[name] = kept
        return str(kept["hex"])

    def take(self, values: Mapping[str, Any]) -> None:
        """Use these from now on, which another file of this kind would hold."""
        self._values |= values

    def by_name(self) -> dict[str, str]:
        """All values, in hexadecimal."""
        return {name: str(value["hex"]) for name, value in self._values.items()}

    def save(self) -> None:
        """Write all values, before anything is made with them."""
        write_private(self._path, json.dumps(self._values, indent=2, sort_keys=True) + "\n")
