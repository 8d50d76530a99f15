"""Pulumi's CLI on a tenant's stack, as a person uses it."""

import os
import subprocess

from cli.deployers.pulumi import PulumiDeployer
from cli.environment import ROOT, pulumi_program


def start(deployer: PulumiDeployer, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start a command, with what it prints in one pipe and a process group of its own."""
    return subprocess.Popen(
        [program(), *arguments, "--non-interactive"],
        cwd=deployer.directory,
        env=os.environ | deployer.environment | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def run(deployer: PulumiDeployer, *arguments: str) -> str:
    """Run a command that must succeed, and return what it printed."""
    code, printed = attempt(deployer, *arguments)
    assert code == 0, printed
    return printed


def attempt(deployer: PulumiDeployer, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command that may fail: its exit code, and all it printed."""
    process = start(deployer, *arguments, **environment)
    printed, _ = process.communicate()
    return process.returncode, printed


def program() -> str:
    found = pulumi_program(ROOT / ".cloudfreedom" / "pulumi-cli")
    assert found
    return str(found)
