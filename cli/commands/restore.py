"""`cloudfreedom restore`."""

from typing import Annotated

import typer

from cli.restore.restore import Restore
from cli.running import running_stack


def restore(  # noqa: PLR0917 - typer reads them
    stack: Annotated[str, typer.Argument(help="Name of the file and stack")],
    set_id: Annotated[
        str, typer.Option("--set", help="A set that `cloudfreedom backups` lists")
    ] = "latest",
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
    services stop, for about half a minute.
    """
    work = Restore(running_stack(stack, core=core), lambda line: typer.echo(line, err=True))
    if beside:
        typer.echo(f"Databases of the set: {', '.join(work.beside(set_id))}")
        typer.echo(f"Delete them: cloudfreedom restore {stack} --forget")
    elif forget:
        _ask(f"Delete the data of {stack} from before the last restore?", yes=yes)
        work.forget()
    elif back:
        _ask(f"Put the data of {stack} from before the last restore back?", yes=yes)
        work.give_back()
    else:
        _ask(
            f"Restore {stack}? Everything since that set goes aside, and all log in again.", yes=yes
        )
        work.run(set_id)
        typer.echo(f"Undo: cloudfreedom restore {stack} --back")
        typer.echo(
            f"Keep it, and delete the data from before: cloudfreedom restore {stack} --forget"
        )


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)
