"""`cloudfreedom import`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.environment import CORE, ROOT
from cli.export.export import carry_back
from cli.given_keys import given_keys
from schema.errors import UserError


def import_(
    stack: Annotated[str, typer.Argument(help="Name of the file and stack")],
    exported: Annotated[
        Path | None, typer.Option("--from", help="Folder of the Compose project")
    ] = None,
    new_secrets: Annotated[
        bool, typer.Option("--new-secrets", help="Only the volumes: all secrets are lost")
    ] = False,
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
) -> None:
    """Give a new stack of Pulumi the secrets and volumes of an export, or volumes alone.

    It reads the state of the new stack, and writes it with what it needs:
    `pulumi stack export | cloudfreedom import acme --from DIR | pulumi stack import`.
    Keys come from variables, as for an export.
    """
    if new_secrets == (exported is not None):
        raise UserError("say where the secrets are, by --from FOLDER, or make --new-secrets")
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
