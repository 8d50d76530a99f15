"""`cloudfreedom restore`."""

from typing import Annotated

import typer

from cli.restore.restore import Restore
from cli.restore.verification import verify as verify_set
from cli.running import running_stack
from schema.errors import UserError

_COPIED = ("databases", "files")
"""Another tenant gets no ledger: what is spent and not sent yet is of the first."""


def restore(  # noqa: PLR0917 - typer reads them
    stack: Annotated[str, typer.Argument(help="Name of the file and stack")],
    set_id: Annotated[
        str, typer.Option("--set", help="A set that `cloudfreedom backups` lists")
    ] = "latest",
    other: Annotated[
        str, typer.Option("--as", help="Another tenant that is up, which becomes a copy")
    ] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Restore into a scratch copy, and log in there")
    ] = False,
    beside: Annotated[
        bool, typer.Option("--beside", help="Leave the living data, to take something out of a set")
    ] = False,
    back: Annotated[
        bool, typer.Option("--back", help="Undo: the data from before the last restore")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete the data from before the last restore")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
) -> None:
    """Put a set in the place of a stack's data, which are kept until `--forget`.

    The set is written beside the living data and compared with what was dumped; only then the
    services stop, for about a quarter of a minute.
    """
    if sum([verify, beside, back, forget]) > 1:
        raise UserError("one of --verify, --beside, --back and --forget at a time")
    if verify and other:
        raise UserError("--verify makes a copy of its own: leave --as out")
    if verify:
        source = running_stack(stack, core=core)
        typer.echo(f"The set {verify_set(source, set_id, _report)} is proven")
        return
    work, name = _work(stack, other, core=core)
    command = f"cloudfreedom restore {stack}{f' --as {other}' if other else ''}"
    command += " --core" if core else ""
    if beside:
        typer.echo(f"Databases of the set: {', '.join(work.beside(set_id))}")
        typer.echo(f"Delete them: {command} --forget")
    elif forget:
        _ask(f"Delete the data of {name} from before the last restore?", yes=yes)
        work.forget()
    elif back:
        _ask(f"Put the data of {name} from before the last restore back?", yes=yes)
        work.give_back()
    else:
        since = f"is replaced by that of {stack}" if other else "since that set goes aside"
        _ask(f"Restore {name}? Everything {since}, and all log in again.", yes=yes)
        work.run(set_id)
        typer.echo("All log in again.")
        typer.echo(f"Undo: {command} --back")
        typer.echo(f"Keep it, and delete the data from before: {command} --forget")
        if other:
            typer.echo(f"Let its first admin in: cloudfreedom reset-admin {other}")


def _work(stack: str, other: str, *, core: bool) -> tuple[Restore, str]:
    """The restore, and the name of the stack whose data are replaced."""
    source = running_stack(stack, core=core)
    if not other:
        return Restore(source, _report), stack
    if core:
        raise UserError("a core cannot become another one: its tenants hold its keys")
    target = running_stack(other)
    if target == source:
        raise UserError(f"{other} is the tenant itself: leave --as out")
    return Restore(target, _report, source=source, kinds=_COPIED), other


def _report(line: str) -> None:
    typer.echo(line, err=True)


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)
