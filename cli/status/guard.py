"""The budget guard's own numbers, asked for inside the gateway's container."""

import json
from importlib.resources import files as package_files
from typing import Any

from docker.models.containers import Container

from cli.running import RunningStack

_PROBE = package_files("cli.doctor").joinpath("probe.py").read_text(encoding="utf-8")


def guard_numbers(stack: RunningStack, container: Container) -> dict[str, Any] | None:
    """Numbers by name, as `gateway` of `cli/doctor/probe.py` has them; none without a guard."""
    printed = stack.output(container, ["python3", "-c", _PROBE, "gateway"])
    try:
        found: dict[str, Any] = json.loads(printed)
    except ValueError:
        return None
    return None if found.pop("problem") else found
