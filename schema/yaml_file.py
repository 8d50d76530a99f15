"""Reads a YAML file into a model and says all that is wrong with it at once, with lines."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar, get_args
from unicodedata import category

import yaml
from pydantic import BaseModel, ValidationError
from yaml.constructor import ConstructorError

from schema.diagnostics import (
    HIDDEN,
    Diagnostic,
    InvalidFileError,
    Violation,
    in_words,
    masked,
    not_yaml,
)

_SHOWN_CHARACTERS = 60
# Far above any real file; aliases of aliases would fill the memory.
_MOST_LEVELS, _MOST_VALUES = 50, 100_000
_SECRET_NAME = re.compile("(?i)key|secret|token|passw|credential")

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class SourceMap:
    """A file's name and the line of every key and value in it."""

    file: str
    lines: Mapping[tuple[str | int, ...], int]

    def problem(self, finding: Violation) -> Diagnostic:
        """A violation as a diagnostic, for the person who wrote the file."""
        # Masked before it is cut: the half of a key does not look like one.
        shown = "" if finding.value == "" else masked(json.dumps(finding.value, default=str))
        if len(shown) > _SHOWN_CHARACTERS:
            shown = shown[:_SHOWN_CHARACTERS] + "…"
        return Diagnostic(
            file=self.file,
            line=self._line(finding.path),
            field=".".join(map(str, finding.path)) or "the file",
            value=shown,
            allowed=finding.allowed,
        )

    def _line(self, path: Sequence[str | int]) -> int:
        known = (tuple(path[:end]) for end in range(len(path), 0, -1))
        return next((self.lines[at] for at in known if at in self.lines), 1)


def stacks(folder: Path) -> list[str]:
    """Names of the stacks that have a file in the folder, sorted."""
    names = (path.stem for path in folder.glob("*.yaml"))
    return sorted(name for name in names if not name.startswith("Pulumi"))


def load_each(folder: Path, load: Callable[[str], _Model]) -> dict[str, _Model]:
    """The result of `load` for each stack that has a file in the folder.

    Raises:
        InvalidFileError: with every problem of every file.
    """
    loaded: dict[str, _Model] = {}
    problems: list[Diagnostic] = []
    for stack in stacks(folder):
        try:
            loaded[stack] = load(stack)
        except InvalidFileError as error:
            problems.extend(error.problems)
    if problems:
        raise InvalidFileError(problems)
    return loaded


def load_among(
    stack: str,
    folder: Path,
    model: type[_Model],
    clashes: Callable[[_Model, _Model, str], Iterable[Violation]],
) -> _Model:
    """The file of a stack, checked on its own and against every other of the folder.

    Another file that is broken itself is not looked at here: it must not keep this one from being
    brought up.

    Args:
        stack: the file is `<folder>/<stack>.yaml`.
        folder: where the files are.
        model: of each of them.
        clashes: what is wrong with the first beside the second, which is another stack's.

    Raises:
        InvalidFileError: with every problem of this file.
    """
    loaded, source = read(folder / f"{stack}.yaml", model)
    others = {
        other: _read_if_valid(folder / f"{other}.yaml", model)
        for other in stacks(folder)
        if other != stack
    }
    problems = [
        source.problem(finding)
        for other, their in others.items()
        if their
        for finding in clashes(loaded, their, other)
    ]
    if problems:
        raise InvalidFileError(problems)
    return loaded


def _read_if_valid(path: Path, model: type[_Model]) -> _Model | None:
    try:
        return read(path, model)[0]
    except InvalidFileError:
        return None


def read(path: Path, model: type[_Model]) -> tuple[_Model, SourceMap]:
    """The data of a file, and the position of each value.

    Raises:
        InvalidFileError: with every problem.
    """
    name = f"{path.parent.name}/{path.name}"
    if not path.exists():
        raise InvalidFileError([_no_file(name, path.parent)])
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        data = _Loader("").construct_document(node) if node else {}
        positions = list(islice(_positions(node), _MOST_VALUES + 1)) if node else []
        if len(positions) > _MOST_VALUES:
            raise RecursionError
        # Through JSON, so that strict types still allow texts for addresses and decimals.
        text = json.dumps(data, default=str)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidFileError([not_yaml(name, error)]) from None
    source = SourceMap(name, dict(reversed(positions)))
    findings = chain(_repeated_keys(positions), _unprintable(data))
    problems = [source.problem(finding) for finding in findings]
    try:
        value = model.model_validate_json(text)
    except ValidationError as error:
        findings = chain.from_iterable(_findings(each, model) for each in error.errors())
        raise InvalidFileError([*problems, *map(source.problem, findings)]) from None
    if problems:
        raise InvalidFileError(problems)
    return value, source


class _Loader(yaml.SafeLoader):
    """Takes every key as a text, and says where a value does not fit its tag."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what `<<` leads to; what is then no text yet, such as a date, becomes one."""
        super().flatten_mapping(node)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError):
            problem = f"a value that is no {node.tag.rpartition(':')[2]}"
            raise ConstructorError(None, None, problem, node.start_mark) from None


def _no_file(name: str, folder: Path) -> Diagnostic:
    return Diagnostic(
        file=name,
        line=1,
        field="there is no such file",
        value="",
        allowed=f"a stack has the name of a file: {', '.join(stacks(folder))}",
    )


def _positions(
    node: yaml.Node, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    if len(path) > _MOST_LEVELS:
        raise RecursionError
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = (*path, str(key.value))
            yield at, key.start_mark.line + 1
            yield from _positions(value, at)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _positions(item, (*path, index))


def _repeated_keys(positions: Sequence[tuple[tuple[str | int, ...], int]]) -> Iterator[Violation]:
    seen: dict[tuple[str | int, ...], int] = {}
    for path, line in positions:
        if path in seen:
            yield Violation(path, "", f"a key only once; it stands in line {line} again")
        seen[path] = line


def _unprintable(value: object, path: tuple[str | int, ...] = ()) -> Iterator[Violation]:
    """Texts that a database, an environment or a terminal would choke on."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _unprintable(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unprintable(item, (*path, index))
    elif isinstance(value, str) and any(
        category(character) in ("Cc", "Cs") and character not in "\n\t" for character in value
    ):
        yield Violation(path, value, "no control characters, such as NUL")


def _findings(error: Mapping[str, Any], model: type[BaseModel]) -> Iterator[Violation]:
    # A union's branches and a mapping's "[key]" are pydantic's own, not of the file.
    path = tuple(step for step in error["loc"] if step != "[key]")
    kind, value = error["type"], error["input"]
    if kind == "findings":
        for finding in error["ctx"]["findings"]:
            yield Violation((*path, *finding.path), finding.value, finding.allowed)
    elif kind == "extra_forbidden":
        known = ", ".join(section(path[:-1], model).model_fields)
        # A key that belongs in the stack's config, at a place that nothing knows.
        shown = HIDDEN if _SECRET_NAME.search(str(path[-1])) else value
        yield Violation(path, shown, f"unknown key; known here: {known}")
    elif kind == "missing":
        yield Violation(path, "", in_words(error))
    else:
        yield Violation(path, value, in_words(error))


def section(path: Sequence[str | int], model: type[BaseModel]) -> type[BaseModel]:
    """The part of a model that a path into it leads to."""
    for step in path:
        field = model.model_fields.get(str(step))
        model = next(_models(field.annotation), model) if field else model
    return model


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
