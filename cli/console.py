"""The terminal that tables are shown on."""

from rich.console import Console

_LONG_LINE = 240


def console() -> Console:
    """A terminal, or a file or pipe whose lines may be long."""
    found = Console(highlight=False)
    if not found.is_terminal:
        found.width = _LONG_LINE
    return found
