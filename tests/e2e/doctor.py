"""What `cloudfreedom doctor` says of a tenant."""

import json
import os
import subprocess
from typing import Any

from cli.deployers.pulumi import PulumiDeployer
from cli.doctor.examination import Stack, examine, examine_core
from cli.environment import docker_address
from core.model import Core
from tenants.model import Tenant
from tests.e2e.conftest import Running


def mend(running: Running, command: str) -> None:
    """Do what the doctor says, in the shell of somebody who works on the stack."""
    deployer, given = running.deployer, {}
    if isinstance(deployer, PulumiDeployer):
        command, given = f"{command} --yes --non-interactive", deployer.environment
    folder = deployer.directory if isinstance(deployer, PulumiDeployer) else running.project.root
    finished = subprocess.run(
        command, shell=True, cwd=folder, env=os.environ | given, check=False, capture_output=True
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def found_wrong_in_core(file: dict[str, Any]) -> dict[str, str]:
    """The problems of a core, by what has them."""
    core = Core.model_validate_json(json.dumps(file))
    findings = examine_core(core, Stack.of_pulumi(core.slug, docker_address(), core=True))
    return {finding.what: finding.problem for finding in findings if finding.problem}


def found_wrong(running: Running, address: str = docker_address()) -> dict[str, str]:
    """Its problems, by what has them, as the Docker host at an address tells them."""
    tenant = Tenant.model_validate_json(json.dumps(running.tenant))
    findings = examine(tenant, Stack.of_pulumi(running.slug, address))
    return {finding.what: finding.problem for finding in findings if finding.problem}
