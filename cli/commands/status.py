"""`cloudfreedom status`."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.live import Live

from cli.console import console
from cli.environment import CORE, ROOT
from cli.status.gather import stack_status
from cli.status.model import Report, StackStatus
from cli.status.table import details, overview
from schema.errors import UserError
from schema.yaml_file import stacks

_PAUSE_SECONDS = 5
_AT_ONCE = 8


def status(
    stack: Annotated[str, typer.Argument(help="One stack alone")] = "",
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl+C")] = False,
) -> None:
    """How all stacks of this project stand, or one: services, drift, backups, money on its way.

    Drift is what runs against what the files ask for. Changes nothing. Ends with 1 if anything is
    wrong with a stack that is up, or the one that was named is not.
    """
    if json and watch:
        raise UserError("--json prints once: leave --watch out")
    if core and not stack:
        raise UserError("--core needs the name of a core; without both, all stacks are shown")
    names = [(stack, core)] if stack else _all_stacks()
    found = _look(names)
    if json:
        typer.echo(Report(stacks=found).model_dump_json(indent=2))
    elif watch:
        _watch(names, found)
    else:
        console().print(_shown(found, one=bool(stack)))
    if any(each.problems and (each.up or bool(stack)) for each in found):
        raise typer.Exit(1)


def _all_stacks() -> list[tuple[str, bool]]:
    return [
        *((name, False) for name in stacks(ROOT / "tenants")),
        *((name, True) for name in stacks(CORE)),
    ]


def _look(names: list[tuple[str, bool]]) -> list[StackStatus]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda each: stack_status(each[0], core=each[1]), names))


def _watch(names: list[tuple[str, bool]], found: list[StackStatus]) -> None:
    one = len(names) == 1
    try:
        with Live(_shown(found, one=one), console=console()) as live:
            while True:
                time.sleep(_PAUSE_SECONDS)
                live.update(_shown(_look(names), one=one))
    except KeyboardInterrupt:
        return


def _shown(found: list[StackStatus], *, one: bool) -> RenderableType:
    return details(found[0]) if one else overview(found)
