"""Diagnostics of a YAML file, in the words of the person who wrote it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml
from pydantic_core import PydanticCustomError

from schema.errors import UserError

NEEDED = "required, but missing"

_REWORDED = {
    r"^(Input|String|List|Decimal input|URL input) should": "must",
    r" after validation, not \d+$": "",
    r"be an integer, float, string or Decimal object$": "be a valid decimal",
    r"be an object$": "be a mapping",
    r"be a valid array$": "be a list",
}
"""Pydantic's words, and those for a person who writes YAML."""


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One mistake, where it is, and what would be right there."""

    file: str
    line: int
    field: str
    value: str
    allowed: str

    def __str__(self) -> str:
        shown = f"{self.field} = {self.value}" if self.value else self.field
        return f"{self.file}:{self.line}: {masked(shown)}: {self.allowed}"


HIDDEN = "***"

# A known prefix of keys, or a long run that no word or number has. `\b` would not do: a key may
# stand between underscores.
_RUN = r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]"
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?i:sk|pk|rk|gsk|ghp|hf|xai|nvapi|pplx|bearer)[-_ ][\w.\-]{6,}"
    r"|AIza[\w\-]{10,}|eyJ[\w.\-]{10,}"
    rf"|(?i:key|token)[-_ ]{_RUN}{{10,}}(?![A-Za-z0-9])|{_RUN}{{20,}}(?![A-Za-z0-9]))"
)


def masked(text: str) -> str:
    """The text without what looks like a key: an error is pasted into tickets."""
    return _KEY.sub(HIDDEN, text)


class InvalidFileError(UserError):
    """A file that describes a tenant or a core cannot be used; one line a problem."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.field)))
        super().__init__("\n".join(map(str, self.problems)))


class Violation(NamedTuple):
    """A mistake below the value that a validator looks at."""

    path: tuple[str | int, ...]
    value: object
    allowed: str


def raise_violations(findings: Iterable[Violation]) -> None:
    """Lets a validator point at places below its own value; without any, all is well.

    Raises:
        PydanticCustomError: with every finding.
    """
    context: dict[str, Any] = {"findings": tuple(findings)}
    if context["findings"]:
        raise PydanticCustomError("findings", "see the findings", context)


def repeated(values: Iterable[str], name: str, allowed: str) -> Iterator[Violation]:
    """The items of a list whose `name` has a value that stands above already."""
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield Violation((index, name), value, allowed)
        seen.add(value)


def not_yaml(file: str, error: yaml.YAMLError | ValueError | RecursionError) -> Diagnostic:
    """The problem of a file that could not be parsed."""
    if isinstance(error, RecursionError):
        allowed = "fewer levels, and no alias to what it stands in or to ever more aliases"
        return Diagnostic(file=file, line=1, field="the file", value="", allowed=allowed)
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    line = mark.line + 1 if mark else 1
    return Diagnostic(file=file, line=line, field="the file", value="", allowed=f"not YAML: {what}")


def in_words(error: Mapping[str, Any]) -> str:
    """The allowed values, by one of pydantic's errors."""
    if error["type"] == "missing":
        return NEEDED
    if error["type"] == "value_error":
        return f"must be {error['ctx']['error']}"
    text = str(error["msg"])
    for theirs, ours in _REWORDED.items():
        text = re.sub(theirs, ours, text)
    return text
