"""Reads tenant files and says all that is wrong with them at once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from tenants.model import Tenant
from tenants.problem import Finding, Problem, TenantError, in_words, not_yaml

FOLDER = Path(__file__).parent
_SHOWN_CHARACTERS = 60


def stacks(folder: Path = FOLDER) -> list[str]:
    """Names of the stacks that have a tenant file, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(stack: str, folder: Path = FOLDER, *, hosts: Mapping[str, str]) -> Tenant:
    """The tenant of a stack, checked on its own and against every other tenant.

    Another tenant's file that is broken itself is not looked at here: it must not keep
    this tenant from being brought up.

    Args:
        stack: the file is `<folder>/<stack>.yaml`.
        folder: where the tenant files are.
        hosts: the Docker host of each stack; two tenants of one host must not share a port.

    Raises:
        TenantError: with every problem of this file.
    """
    if stack not in stacks(folder):
        raise TenantError([_no_file(stack, folder)])
    tenant, source = _read(folder / f"{stack}.yaml")
    others = {other: _read_if_valid(folder / f"{other}.yaml") for other in stacks(folder)}
    problems = [
        source.problem(finding)
        for other, their in others.items()
        if other != stack and their
        for finding in _clashes(tenant, their, other, hosts.get(stack) == hosts.get(other))
    ]
    if problems:
        raise TenantError(problems)
    return tenant


def load_all(folder: Path = FOLDER, *, hosts: Mapping[str, str]) -> dict[str, Tenant]:
    """Every tenant by its stack.

    Raises:
        TenantError: with every problem of every file.
    """
    tenants: dict[str, Tenant] = {}
    problems: list[Problem] = []
    for stack in stacks(folder):
        try:
            tenants[stack] = load(stack, folder, hosts=hosts)
        except TenantError as error:
            problems.extend(error.problems)
    if problems:
        raise TenantError(problems)
    return tenants


@dataclass(frozen=True)
class _Source:
    """A file's name and the line of every key and value in it."""

    file: str
    lines: Mapping[tuple[str | int, ...], int]

    def problem(self, finding: Finding) -> Problem:
        shown = "" if finding.value == "" else json.dumps(finding.value, default=str)
        if len(shown) > _SHOWN_CHARACTERS:
            shown = shown[:_SHOWN_CHARACTERS] + "…"
        return Problem(
            file=self.file,
            line=self._line(finding.path),
            field=".".join(map(str, finding.path)) or "the file",
            value=shown,
            allowed=finding.allowed,
        )

    def _line(self, path: Sequence[str | int]) -> int:
        known = (tuple(path[:end]) for end in range(len(path), 0, -1))
        return next((self.lines[at] for at in known if at in self.lines), 1)


def _read(path: Path) -> tuple[Tenant, _Source]:
    name = f"{path.parent.name}/{path.name}"
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        data = yaml.SafeLoader("").construct_document(node) if node else {}
    except (yaml.YAMLError, ValueError) as error:
        raise TenantError([not_yaml(name, error)]) from None
    positions = list(_positions(node)) if node else []
    source = _Source(name, dict(reversed(positions)))
    problems = [source.problem(finding) for finding in _repeated_keys(positions)]
    try:
        # Through JSON, so that strict types still allow texts for addresses and decimals.
        tenant = Tenant.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        findings = chain.from_iterable(map(_findings, error.errors()))
        raise TenantError([*problems, *map(source.problem, findings)]) from None
    if problems:
        raise TenantError(problems)
    return tenant, source


def _read_if_valid(path: Path) -> Tenant | None:
    try:
        return _read(path)[0]
    except TenantError:
        return None


def _no_file(stack: str, folder: Path) -> Problem:
    return Problem(
        file=f"{folder.name}/{stack}.yaml",
        line=1,
        field="there is no such file",
        value="",
        allowed=f"a stack has the name of a tenant's file: {', '.join(stacks(folder))}",
    )


def _positions(
    node: yaml.Node, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = (*path, str(key.value))
            yield at, key.start_mark.line + 1
            yield from _positions(value, at)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _positions(item, (*path, index))


def _repeated_keys(positions: Sequence[tuple[tuple[str | int, ...], int]]) -> Iterator[Finding]:
    seen: dict[tuple[str | int, ...], int] = {}
    for path, line in positions:
        if path in seen:
            yield Finding(path, "", f"a key only once; it stands in line {line} again")
        seen[path] = line


def _findings(error: Mapping[str, Any]) -> Iterator[Finding]:
    # A union's branches and a mapping's "[key]" are pydantic's own, not of the file.
    path = tuple(step for step in error["loc"] if step != "[key]")
    kind, value = error["type"], error["input"]
    if kind == "findings":
        for finding in error["ctx"]["findings"]:
            yield Finding((*path, *finding.path), finding.value, finding.allowed)
    elif kind == "extra_forbidden":
        known = ", ".join(_section(path[:-1]).model_fields)
        yield Finding(path, value, f"unknown key; known here: {known}")
    elif kind == "missing":
        yield Finding(path, "", in_words(error))
    else:
        yield Finding(path, value, in_words(error))


def _section(path: Sequence[str | int]) -> type[BaseModel]:
    section: type[BaseModel] = Tenant
    for step in path:
        field = section.model_fields.get(str(step))
        section = next(_models(field.annotation), section) if field else section
    return section


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _clashes(tenant: Tenant, other: Tenant, stack: str, same_host: bool) -> Iterator[Finding]:
    if tenant.slug == other.slug:
        yield Finding(("slug",), tenant.slug, f"{stack}.yaml has the same: each its own")
    if tenant.domain and tenant.domain == other.domain:
        yield Finding(("domain",), tenant.domain, f"{stack}.yaml has the same: each its own")
    if not same_host or not _addresses_overlap(tenant, other):
        return
    theirs = {other.litellm.port, other.openwebui.port}
    for part in ("litellm", "openwebui"):
        port = getattr(tenant, part).port
        if port in theirs:
            allowed = f"{stack}.yaml uses it on the same host: a free one"
            yield Finding((part, "port"), port, allowed)


def _addresses_overlap(tenant: Tenant, other: Tenant) -> bool:
    both = {tenant.bind, other.bind}
    return len(both) == 1 or any(address.is_unspecified for address in both)
