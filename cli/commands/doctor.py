"""`cloudfreedom doctor`."""

from collections.abc import Iterator
from typing import Annotated

import typer

from cli.agreement import disagreements
from cli.demo import demo as demo_tenant
from cli.doctor.examination import Check, examine, examine_core
from cli.environment import CORE, ROOT
from cli.yaml_io import read_config
from components.stack_config import LOCAL_DOCKER, docker_hosts
from core.loader import load as load_core
from tenants.loader import load


def doctor(
    stack: Annotated[str, typer.Argument(help="Name of the file and stack")],
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
) -> None:
    """Look at a tenant that is up, and at what it needs; ends with 1 if anything is wrong.

    Each problem names the command that mends it.
    """
    findings = list(_examined_core(stack) if core else _examined_tenant(stack))
    for finding in findings:
        typer.echo(f"{finding.what}: {finding.problem or 'fine'}")
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


def _examined_tenant(stack: str) -> Iterator[Check]:
    hosts = docker_hosts(ROOT)
    tenant = load(stack, hosts=hosts)
    yield from examine(tenant, demo_tenant.stack_of(stack, hosts[stack]))
    file = f"tenants/{stack}.yaml"
    for problem in disagreements(ROOT):
        if file in str(problem):
            yield Check("files", str(problem))


def _examined_core(stack: str) -> Iterator[Check]:
    core = load_core(stack)
    config = read_config(CORE / f"Pulumi.{stack}.yaml")
    address = str(config.get("cloudfreedom-core:dockerHost", LOCAL_DOCKER))
    return examine_core(core, demo_tenant.stack_of(stack, address, core=True))
