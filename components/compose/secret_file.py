"""Generated secrets of a tenant or a core that runs without Pulumi, in one root-only file."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.spec import SECRET_BYTES, Deployment
from schema.private_file import write_private


class SecretFile:
    """Generated values, by the name that Pulumi's resource would have.

    A value changes only when its generation does.

    Args:
        folder: of the export.

    Attributes:
        path: of the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "secrets.json"
        self._before = folder / "values.json"  # its name before version 0.2
        found = [path for path in (self.path, self._before) if path.exists()]
        self._values: dict[str, Any] = (
            json.loads(found[0].read_text(encoding="utf-8")) if found else {}
        )

    def secrets(self, deployment: Deployment) -> dict[str, str]:
        """All secrets of a tenant or a core by name.

        What is not there yet is made, and what is not needed any more is forgotten.
        """
        stack = deployment.spec
        names = {spec.name: stack.name(spec.value_name) for spec in stack.secrets if not spec.given}
        values = {
            spec.name: deployment.given[spec.name]
            if spec.given
            else spec.form(self._value(names[spec.name], spec.generation))
            for spec in stack.secrets
        }
        self._values = {name: self._values[name] for name in names.values()}
        return values

    def _value(self, name: str, generation: int) -> str:
        keepers = {"rotation": str(generation)}
        kept = self._values.get(name)
        if kept is None or kept["keepers"] != keepers:
            kept = {"keepers": keepers, "hex": secrets.token_hex(SECRET_BYTES)}
            self._values[name] = kept
        return str(kept["hex"])

    def take(self, values: Mapping[str, Any]) -> None:
        """Use these from now on, which another file of this kind would hold."""
        self._values |= values

    def by_name(self) -> dict[str, str]:
        """All values, in hexadecimal; none if nothing was exported there."""
        return {name: str(value["hex"]) for name, value in self._values.items()}

    def save(self) -> None:
        """Write all values, before anything is made with them."""
        write_private(self.path, json.dumps(self._values, indent=2, sort_keys=True) + "\n")
        self._before.unlink(missing_ok=True)
