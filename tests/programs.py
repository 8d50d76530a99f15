"""Programs of Debian that tests run."""

import subprocess

import pytest

from cli.environment import ROOT


def program(package: str, *names: str) -> str:
    """Where a program is; it is installed if it is missing and this machine can.

    Args:
        package: of Debian.
        names: that it may have, the usual one first; none if it is called like its package.
    """
    command = [str(ROOT / "scripts" / "program"), package, *(names or (package,))]
    found = subprocess.run(command, check=False, text=True, capture_output=True)
    if found.returncode:
        pytest.skip(found.stderr.strip())
    return found.stdout.strip()
