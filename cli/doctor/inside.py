"""What only a container can ask: runs `cli/doctor/probe.py` inside of it."""

import json
from importlib.resources import files as package_files
from typing import Any

from docker.models.containers import Container

from cli.running import RunningStack

_PROBE = package_files("cli.doctor").joinpath("probe.py").read_text(encoding="utf-8")


def probed(stack: RunningStack, container: Container, *arguments: str) -> dict[str, Any]:
    """Findings of the probe, as it describes them; `problem` says why there are none."""
    # Root, because only root may read the secrets of some containers.
    command = ["python3", "-c", _PROBE, *arguments]
    try:
        return dict(json.loads(stack.output(container, command)))
    except ValueError:
        return {"problem": "is not known: the container does not run what asks for it"}
