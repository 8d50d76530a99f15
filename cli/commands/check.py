"""`cloudfreedom check`."""

import typer

from cli.agreement import disagreements
from cli.environment import CORE, ROOT
from components.stack_config import docker_hosts
from core.deployment.stack_config import check_gateways
from core.loader import load_all as load_cores
from schema.diagnostics import InvalidFileError
from tenants.loader import load_all


def check() -> None:
    """Check the files of all tenants and cores, each on its own and all together."""
    tenants = load_all(hosts=docker_hosts(ROOT))
    cores = load_cores(CORE)
    check_gateways(cores, CORE)
    if problems := disagreements(ROOT):
        raise InvalidFileError(problems)
    for stack, tenant in tenants.items():
        typer.echo(f"tenants/{stack}.yaml: {tenant.name}, no problem")
    for stack, core in cores.items():
        typer.echo(f"core/{stack}.yaml: {core.name}, no problem")
