"""Each command on a page is run by a test, or says why not."""

import subprocess

import pytest

from ops.tools import ROOT
from tests.pages import PAGES, Block, blocks

COMMANDS = [block for page in PAGES for block in blocks(page) if block.language == "sh"]


@pytest.mark.parametrize("block", COMMANDS, ids=[block.place for block in COMMANDS])
def test_a_command_is_run_or_says_why_not(block: Block) -> None:
    marked = block.mark == "run" or (block.mark == "not run" and block.more)
    assert marked, "put `<!-- run -->` or `<!-- not run: why -->` in the line above"


@pytest.mark.parametrize("block", COMMANDS, ids=[block.place for block in COMMANDS])
def test_a_command_can_be_read_by_a_shell(block: Block) -> None:
    subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)


def test_the_pages_that_a_newcomer_follows_are_run() -> None:
    followed = ("first-tenant", "two-ways-up", "operation")
    for name in followed:
        page = ROOT / "docs" / f"{name}.md"
        assert sum(block.mark == "run" for block in blocks(page)) > 1, name
