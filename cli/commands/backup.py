"""`cloudfreedom backup` and `cloudfreedom backups`."""

from typing import Annotated

import typer

from cli.running import running_stack
from components.services.backup import NAME

_STACK = typer.Argument(help="Name of the file and stack")
_CORE = typer.Option("--core", help="A core instead of a tenant")
_MODULE = ("python3", "-m", "backup")


def backup(
    stack: Annotated[str, _STACK],
    prove: Annotated[
        bool, typer.Option("--prove", help="Restore the newest set beside nothing instead")
    ] = False,
    core: Annotated[bool, _CORE] = False,
) -> None:
    """Back a stack up now, or prove its newest set."""
    _run(stack, "prove" if prove else "make", core=core)


def backups(
    stack: Annotated[str, _STACK],
    json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
    core: Annotated[bool, _CORE] = False,
) -> None:
    """List the sets of a stack, and say whether there is anything to worry about.

    Ends with 3 if a backup failed, 4 if the last set is old, 5 if no set is proven.
    """
    _run(stack, "list", *(["--json"] if json else []), core=core)


def _run(stack: str, *command: str, core: bool) -> None:
    running = running_stack(stack, core=core)
    container = running.existing(NAME)
    code = running.run_as_process(container, [*_MODULE, *command])
    if code:
        raise typer.Exit(code)
