"""Core files, each checked on its own and against every other."""

from collections.abc import Iterator
from pathlib import Path

from core.model import Core
from tenants.file import load_among, load_each
from tenants.problem import Finding

FOLDER = Path(__file__).parent


def load(stack: str, folder: Path = FOLDER) -> Core:
    """The core of a stack, checked on its own and against every other core.

    Another core's file that is broken itself is not looked at here: it must not keep this
    core from being brought up.

    Args:
        stack: the file is `<folder>/<stack>.yaml`.
        folder: where the core files are.

    Raises:
        InvalidFileError: with every problem of this file.
    """
    return load_among(stack, folder, Core, _clashes)


def load_all(folder: Path = FOLDER) -> dict[str, Core]:
    """Every core by its stack.

    Raises:
        InvalidFileError: with every problem of every file.
    """
    return load_each(folder, lambda stack: load(stack, folder))


def _clashes(core: Core, other: Core, stack: str) -> Iterator[Finding]:
    # One slug is one volume: whoever came up second would take over the people of the first.
    if core.slug == other.slug:
        yield Finding(("slug",), core.slug, f"{stack}.yaml has the same: each its own")
