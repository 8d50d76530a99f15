"""Core files, each checked on its own and against every other."""

from collections.abc import Iterator
from pathlib import Path

from core.model import Core
from tenants.file import load_each, read, stacks
from tenants.problem import Finding, InvalidFileError

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
    core, source = read(folder / f"{stack}.yaml", Core)
    others = (other for other in stacks(folder) if other != stack)
    findings = (_clash(core, folder / f"{other}.yaml") for other in others)
    problems = [source.problem(finding) for found in findings for finding in found]
    if problems:
        raise InvalidFileError(problems)
    return core


def load_all(folder: Path = FOLDER) -> dict[str, Core]:
    """Every core by its stack.

    Raises:
        InvalidFileError: with every problem of every file.
    """
    return load_each(folder, lambda stack: load(stack, folder))


def _clash(core: Core, other: Path) -> Iterator[Finding]:
    # One slug is one volume: whoever came up second would take over the people of the first.
    try:
        if read(other, Core)[0].slug == core.slug:
            yield Finding(("slug",), core.slug, f"{other.name} has the same: each its own")
    except InvalidFileError:
        return
