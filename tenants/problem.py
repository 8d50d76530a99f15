"""What is wrong in a tenant file, in the words of the person who wrote it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake, where it is, and what would be right there."""

    file: str
    line: int
    field: str
    value: str
    allowed: str

    def __str__(self) -> str:
        shown = f"{self.field} = {self.value}" if self.value else self.field
        return f"{self.file}:{self.line}: {shown}: {self.allowed}"


class TenantError(ValueError):
    """A tenant cannot be used; its text is one line a problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.field)))
        super().__init__("\n".join(map(str, self.problems)))


class Finding(NamedTuple):
    """A mistake below the value that a validator looks at."""

    path: tuple[str | int, ...]
    value: object
    allowed: str


def findings_error(findings: Sequence[Finding]) -> PydanticCustomError:
    """The error a validator raises to point at several places below its own value."""
    context: dict[str, Any] = {"findings": tuple(findings)}
    return PydanticCustomError("findings", "see the findings", context)
