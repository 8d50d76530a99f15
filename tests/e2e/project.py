"""A project of two tenants of its own, for the tests: what a customer's repository is."""

import random
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.deployers.deployer import Deployer
from cli.deployers.toolchain import Toolchain
from cli.environment import CORE, ROOT
from cli.given_keys import given_keys
from tests.e2e import toolchains

_PORTS = range(20_000, 32_000)  # below those that the system hands to clients


@dataclass(frozen=True)
class Project:
    """A folder with the program, and tenant files that the tests write."""

    root: Path

    @classmethod
    def new(cls, root: Path) -> "Project":
        root.mkdir(parents=True)
        (root / "tenants").mkdir()
        for name in ("__main__.py", "Pulumi.yaml"):
            shutil.copy(ROOT / name, root / name)
        (root / "core").mkdir()
        for name in ("__main__.py", "Pulumi.yaml"):
            shutil.copy(CORE / name, root / "core" / name)
        return cls(root)

    def write_core(self, stack: str, core: Mapping[str, Any]) -> None:
        """Write a core's file."""
        self._write(f"core/{stack}.yaml", core)

    def write(self, tenant: Mapping[str, Any], **config: Any) -> str:
        """Write a tenant's file and the config of its stack, and return the stack's name."""
        stack = str(tenant["slug"])
        self._write(f"tenants/{stack}.yaml", tenant)
        self._write(
            f"Pulumi.{stack}.yaml",
            {"config": {f"cloudfreedom:{key}": value for key, value in config.items()}},
        )
        return stack

    def deployer(self, tool: Toolchain, stack: str) -> Deployer:
        """How a tool brings a tenant up, with what it needs in a folder of its own."""
        return tool.deployer(
            stack,
            root=self.root,
            folder=self.root / "stacks" / stack,
            settings=toolchains.SETTINGS,
            keys=given_keys(),
        )

    def _write(self, name: str, data: Mapping[str, Any]) -> None:
        (self.root / name).write_text(yaml.safe_dump(dict(data)), encoding="utf-8")


def free_ports(count: int, *, address: str = "127.0.0.1") -> list[int]:
    """Ports of an address that nobody listens on.

    They are drawn: runs side by side would otherwise find the same ones before they use them.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            if probe.connect_ex((address, port)):
                found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free port is left")
