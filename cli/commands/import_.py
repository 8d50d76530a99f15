"""`cloudfreedom import`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.environment import CORE, ROOT
from cli.export.export import carry_back
from cli.given_keys import given_keys


def import_(
    stack: Annotated[str, typer.Argument(help="Name of the file and stack")],
    exported: Annotated[Path, typer.Option("--from", help="Folder of the Compose project")],
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
) -> None:
    """Give a new stack of Pulumi the secrets and volumes of an export.

    It reads the state of the new stack, and writes it with what it needs:
    `pulumi stack export | cloudfreedom import acme --from DIR | pulumi stack import`.
    Keys come from variables, as for an export.
    """
    if sys.stdin.isatty() or sys.stdout.isatty():
        sys.exit(
            "It prints secrets: pulumi stack export | cloudfreedom import … | pulumi stack import"
        )
    typer.echo(
        carry_back(
            stack,
            root=CORE if core else ROOT,
            folder=exported,
            keys={} if core else given_keys(),
            state=sys.stdin.read(),
        )
    )
