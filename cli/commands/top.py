"""`cloudfreedom top`."""

import json as json_format
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from cli.console import console
from cli.environment import ROOT
from cli.running import RunningStack, running_stack
from cli.top.usage import Usage, usage
from schema.errors import UserError
from schema.yaml_file import stacks

_AT_ONCE = 8


def top(
    stack: Annotated[str, typer.Argument(help="One stack alone; else all tenants")] = "",
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
    once: Annotated[bool, typer.Option("--once", help="Once, and not until Ctrl+C")] = False,
    json: Annotated[bool, typer.Option("--json", help="Once, for programs")] = False,
) -> None:
    """The use that services make of their host: processors, memory, disk, connections, requests."""
    if core and not stack:
        raise UserError("--core needs the name of a core")
    names = [stack] if stack else stacks(ROOT / "tenants")
    running = [running_stack(name, core=core) for name in names]
    if stack and not running[0].containers:
        raise UserError(f"{stack} is not up")
    if json:
        typer.echo(json_format.dumps([asdict(each) for each in _measured(running)], indent=2))
        return
    if once or not console().is_terminal:
        console().print(_table(_measured(running)))
        return
    try:
        with Live(_table(_measured(running)), console=console()) as live:
            while True:
                live.update(_table(_measured(running)))
    except KeyboardInterrupt:
        return


def _measured(running: list[RunningStack]) -> list[Usage]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [each for found in pool.map(usage, running) for each in found]


def _table(found: list[Usage]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("STACK", "SERVICE"):
        table.add_column(column)
    for column in ("CPU", "MEMORY", "DISK", "CONNECTIONS", "REQUESTS/S"):
        table.add_column(column, justify="right")
    for each in found:
        rate = each.requests_per_second
        table.add_row(
            each.stack,
            each.service,
            f"{each.cpu_percent:.1f} %",
            f"{each.memory_mb} of {each.memory_limit_mb} MiB",
            f"{each.disk_mb} MiB",
            str(each.connections),
            "" if rate is None else str(rate),
        )
    return table
