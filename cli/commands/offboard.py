"""`cloudfreedom offboard`."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from cli.doctor.condition import compose_folder
from cli.environment import ROOT
from cli.offboard.steps import Offboarding
from cli.running import running_stack
from components.stack_config import docker_hosts
from core.loader import load as load_core
from schema.errors import UserError
from tenants.loader import load


def offboard(  # noqa: PLR0917 - typer reads them
    stack: Annotated[str, typer.Argument(help="Name of the tenant's file and stack")],
    export: Annotated[
        Path | None, typer.Option(help="New folder for accounts, chats and files")
    ] = None,
    no_export: Annotated[bool, typer.Option("--no-export", help="Nobody needs their data")] = False,
    core: Annotated[
        str, typer.Option(help="Core of this project that knows the tenant's people and budgets")
    ] = "",
    keep_backups: Annotated[
        bool, typer.Option("--keep-backups", help="Leave the sets of its backups")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
) -> None:
    """End a customer: export their data, and erase them everywhere, step by step.

    Each step is said and asked for. Whoever stops goes on later with the same command.
    """
    if bool(export) == no_export:
        raise UserError("say where the data go, by --export FOLDER, or --no-export")
    if export and export.exists():
        raise UserError(f"{export} is there already: name a new folder, or --no-export")
    tenant = load(stack, hosts=docker_hosts(ROOT))
    if core and any(each.slug == tenant.slug for each in load_core(core).tenants):
        raise UserError(
            f"core/{core}.yaml names {tenant.slug}, which would come back: take it out there and"
            f" `pulumi --cwd core up --stack {core}` first"
        )
    running = running_stack(stack)
    folder = compose_folder(running.containers.values())
    offboarding = Offboarding(
        name=stack,
        stack=running,
        root=ROOT,
        export=export,
        core=running_stack(core, core=True) if core else None,
        backups=not keep_backups,
        state=not folder and shutil.which("pulumi") is not None,
        exported=Path(folder) if folder else None,
    )
    for step in [*offboarding.steps()]:
        typer.echo(step.title)
        if not yes:
            typer.confirm("Do it?", abort=True)
        step.act()
    if tenant.billing and not core:
        typer.echo(f"Its usage at {tenant.billing.url} stays: docs/core.md says how it goes.")
    typer.echo("Left are keys at model providers, logs elsewhere, and your own copies.")
