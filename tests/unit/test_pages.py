"""Each command on a page is run by a test, or says why not; each link leads somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

from cli.environment import ROOT
from tests.pages import PAGES, Block, blocks

COMMANDS = [block for page in PAGES for block in blocks(page) if block.language == "sh"]
LINK = re.compile(r"\[[^\]]+\]\(([^)#:\s]*)(#[^)\s]+)?\)")


@pytest.mark.parametrize("block", COMMANDS, ids=[block.place for block in COMMANDS])
def test_a_command_is_run_or_says_why_not(block: Block) -> None:
    marked = block.mark == "run" or (block.mark == "not run" and block.more)
    assert marked, "put `<!-- run -->` or `<!-- not run: why -->` in the line above"


@pytest.mark.parametrize("block", COMMANDS, ids=[block.place for block in COMMANDS])
def test_a_command_can_be_read_by_a_shell(block: Block) -> None:
    subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    for path, anchor in LINK.findall(without_code(page)):
        target = (page.parent / path) if path else page
        assert target.exists(), path
        if anchor and target.suffix == ".md":
            assert anchor[1:] in headings(target), f"{path}{anchor}"


def without_code(page: Path) -> str:
    """A page without its blocks of code, whose comments look like headings."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)


def headings(page: Path) -> set[str]:
    """Anchors that a page's headings have."""
    titles = re.findall(r"^#+ (.+)$", without_code(page), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_pages_that_a_newcomer_follows_are_run() -> None:
    followed = ("first-tenant", "two-ways-up", "operation")
    for name in followed:
        page = ROOT / "docs" / f"{name}.md"
        assert sum(block.mark == "run" for block in blocks(page)) > 1, name
