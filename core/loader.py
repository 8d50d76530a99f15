"""Core files, each checked on its own and against every other."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import HttpUrl

from core.model import Core
from schema.diagnostics import NEEDED, InvalidFileError, Violation
from schema.yaml_file import load_among, load_each, read, stacks
from tenants.model import Tenant

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
    core = load_among(stack, folder, Core, _clashes)
    return _with_chat_urls(core, folder / f"{stack}.yaml")


def _with_chat_urls(core: Core, path: Path) -> Core:
    """The same with each chat's address, which only one of two files has to say."""
    opened = _opened(path.parent.parent / "tenants")
    tenants = [
        each if each.chat_url else each.model_copy(update={"chat_url": opened.get(each.slug)})
        for each in core.tenants
    ]
    unknown = [
        Violation(
            ("tenants", number, "chat_url"), "", f"{NEEDED}: tenants/ does not have the tenant"
        )
        for number, each in enumerate(tenants)
        if not each.chat_url
    ]
    if unknown:
        _, source = read(path, Core)
        raise InvalidFileError([source.problem(finding) for finding in unknown])
    return core.model_copy(update={"tenants": tenants})


def _opened(folder: Path) -> dict[str, HttpUrl]:
    """Address of the chat of each tenant of a folder, by its slug."""
    found = {}
    for stack in stacks(folder):
        with suppress(InvalidFileError):
            tenant, _ = read(folder / f"{stack}.yaml", Tenant)
            found[tenant.slug] = HttpUrl(tenant.chat_url)
    return found


def load_all(folder: Path = FOLDER) -> dict[str, Core]:
    """Every core by its stack.

    Raises:
        InvalidFileError: with every problem of every file.
    """
    return load_each(folder, lambda stack: load(stack, folder))


def _clashes(core: Core, other: Core, stack: str) -> Iterator[Violation]:
    # One slug is one volume: whoever came up second would take over the people of the first.
    if core.slug == other.slug:
        yield Violation(("slug",), core.slug, f"already used by {stack}.yaml; choose another")
