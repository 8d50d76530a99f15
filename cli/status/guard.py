"""The budget guard's own numbers, asked for inside the gateway's container."""

from typing import Any

from docker.models.containers import Container

from cli.doctor.inside import probed
from cli.running import RunningStack


def guard_numbers(stack: RunningStack, container: Container) -> dict[str, Any] | None:
    """Numbers by name, as `gateway` of `cli/doctor/probe.py` has them; none without a guard."""
    found = probed(stack, container, "gateway")
    return None if found.pop("problem") else found
