"""`cloudfreedom logs`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.text import Text

from cli.console import console
from cli.logs.line import Line
from cli.logs.reading import follow as follow_logs
from cli.logs.reading import mask_of, read
from cli.running import running_stack
from schema.duration import seconds
from schema.errors import UserError

_COLOURS = {"warning": "yellow", "error": "red", "debug": "dim"}


def logs(  # noqa: PLR0917 - typer reads them
    stack: Annotated[str, typer.Argument(help="Name of the file and stack")],
    service: Annotated[str, typer.Argument(help="One service alone")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, until Ctrl+C")] = False,
    since: Annotated[str, typer.Option(help="How far back, such as 10m or 2h")] = "",
    tail: Annotated[int, typer.Option(help="Last lines of each service; 0 is all")] = 100,
    grep: Annotated[str, typer.Option(help="Lines that have this, a regular expression")] = "",
    json: Annotated[bool, typer.Option("--json", help="For programs, an object a line")] = False,
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
) -> None:
    """The logs of a stack's services by time, in one form, without secrets."""
    running = running_stack(stack, core=core)
    if service:
        running.existing(service, running=False)
    services = [service] if service else sorted(running.containers)
    if not services:
        raise UserError(f"{stack} is not up")
    begin = datetime.now(UTC) - timedelta(seconds=_seconds(since)) if since else None
    mask, pattern = mask_of(running.containers.values()), _pattern(grep)
    lines = (follow_logs if follow else read)(running, services, since=begin, tail=tail)
    terminal = console()
    try:
        for line in lines:
            shown = mask(line.json if json else _text(line))
            if not pattern.search(shown):
                continue
            if json:
                typer.echo(shown)
            else:
                terminal.print(Text(shown, style=_COLOURS.get(line.level, "")), soft_wrap=True)
    except KeyboardInterrupt:
        return


def _text(line: Line) -> str:
    return f"{line.time} {line.service:10} {line.level:7} {line.text}"


def _seconds(text: str) -> int:
    try:
        return seconds(text)
    except ValueError as error:
        raise UserError(f"--since {text}: must be {error}") from None


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UserError(f"--grep {text}: is no regular expression: {error}") from None
