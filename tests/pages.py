"""The commands and files on the pages of the documentation, each with what tests make of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.environment import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

# `<!-- run -->`, `<!-- run: compose -->`, `<!-- not run: WHY -->` or `<!-- file: PATH -->`.
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|run|file)(?:: (?P<more>.+?))? -->\n)?"
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """A block of code on a page.

    Attributes:
        place: file and line.
        language: behind the fence.
        mark: what the comment above says: `run`, `not run`, `file`, or nothing.
        more: what follows there: a folder, a reason, a path.
    """

    place: str
    language: str
    mark: str
    more: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, from top to bottom."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        yield Block(
            f"{page.relative_to(ROOT)}:{line}",
            found["language"],
            found["mark"] or "",
            found["more"] or "",
            found["text"],
        )
