"""The command line `cloudfreedom`."""

import sys
from importlib.metadata import version
from typing import Annotated

import pulumi
import typer
from docker.errors import APIError, DockerException

from cli.commands.adopt import adopt
from cli.commands.backup import backup, backups
from cli.commands.check import check
from cli.commands.clean import clean
from cli.commands.demo import demo
from cli.commands.doctor import doctor
from cli.commands.export import export
from cli.commands.import_ import import_
from cli.commands.logs import logs
from cli.commands.offboard import offboard
from cli.commands.recover import recover_
from cli.commands.reset_admin import reset_admin
from cli.commands.restore import restore
from cli.commands.status import status
from cli.commands.top import top
from schema.errors import UserError

app = typer.Typer(
    help="One AI stack per tenant.", no_args_is_help=True, pretty_exceptions_enable=False
)
for command in (
    *(demo, clean, check, status, top, logs, doctor, export),
    *(backup, backups, restore, reset_admin, adopt, offboard),
):
    app.command()(command)
app.command(name="import")(import_)
app.command(name="recover")(recover_)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(version("cloudfreedom-tenants"))
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version"),
    ] = False,
) -> None:
    """One AI stack per tenant."""


def main() -> None:
    """Run the command that was given; a mistake of a person ends in a sentence."""
    try:
        app()
    except (pulumi.RunError, UserError) as error:
        sys.exit(str(error))
    except DockerException as error:
        said = error.explanation if isinstance(error, APIError) else None
        sys.exit(f"Docker refuses: {said or error}")
