"""How stacks stand, as a person reads it."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.status.model import StackStatus

_FINE = Text("fine", style="green")


def overview(stacks: Sequence[StackStatus]) -> RenderableType:
    """A line for each stack."""
    table = _table("stack", "services", "drift", "backup", "to bill", "disk", "state")
    for stack in stacks:
        healthy = sum(service.state == "healthy" for service in stack.services)
        drifted = sum(len(service.drift) for service in stack.services)
        table.add_row(
            stack.name if stack.kind == "tenant" else f"{stack.name} (core)",
            f"{healthy}/{len(stack.services)}" if stack.up else "-",
            str(drifted or "-"),
            stack.backup.state if stack.backup else "-",
            str(stack.guard.outbox) if stack.guard else "-",
            f"{stack.disk.used_percent} %" if stack.disk else "-",
            _first_problem(stack),
        )
    return table


def details(stack: StackStatus) -> RenderableType:
    """A line for each service of one stack, and what there is beside them."""
    table = _table("service", "state", "image", "started", "restarts", "memory")
    for each in stack.services:
        memory = f"{each.memory_mb} MiB" if each.memory_mb else ""
        table.add_row(
            each.service, each.state, each.image, each.started, str(each.restarts), memory
        )
    lines = [
        f"{each.service}: {item.what} is {item.found}, and should be {item.wanted}"
        for each in stack.services
        for item in each.drift
    ]
    if backup := stack.backup:
        lines.append(f"backup: last set {backup.made or '-'}, last proof {backup.proven or '-'}")
    if guard := stack.guard:
        lines.append(f"to bill: {guard.outbox} events, the oldest for {guard.outbox_seconds:.0f} s")
    lines += [f"database {name}: {size} MiB" for name, size in stack.databases_mb.items()]
    if disk := stack.disk:
        lines.append(f"disk: {disk.used_percent} % used, {disk.free_mb} MiB left")
    problems = [Text(problem, style="red") for problem in stack.problems]
    services = [table] if stack.services else []
    return Group(*services, *map(Text, lines), *problems or [_FINE])


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.upper(), overflow="fold")
    return table


def _first_problem(stack: StackStatus) -> Text:
    if not stack.problems:
        return _FINE
    first, *others = stack.problems
    return Text(f"{first}, and {len(others)} more" if others else first, style="red")
