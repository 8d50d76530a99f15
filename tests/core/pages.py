"""What is asked of every page that people see, in a real browser."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

LOOKS = [("en", "light", 1280), ("en", "dark", 320), ("de", "light", 320), ("de", "dark", 1280)]
"""Language, colours and width: each with each of the others."""

_STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def opened(browser: Browser, *hosts: str, **options: Any) -> Iterator[Page]:
    """A page of the first host that finds nothing to complain about, and asks no other hosts."""
    context = browser.new_context(base_url=hosts[0], **options)
    page, complaints, asked = context.new_page(), list[str](), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    # An answer that is an error is told, but no complaint.
    assert [text for text in complaints if "Failed to load resource" not in text] == []
    assert [url for url in asked if not url.startswith(hosts)] == []
    context.close()


def size(width: int) -> dict[str, int]:
    return {"width": width, "height": 720}


def check_looks(page: Page, language: str, width: int) -> None:
    """In its language, for everybody to use, and within the screen."""
    assert page.locator("html").get_attribute("lang") == language
    results = Axe().run(page, options={"runOnly": {"type": "tag", "values": _STANDARDS}})
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def picture(page: Page, name: str, **options: Any) -> None:
    """Save what is seen, for the docs, where CLOUDFREEDOM_SCREENSHOTS names a folder."""
    if folder := os.environ.get("CLOUDFREEDOM_SCREENSHOTS"):
        page.screenshot(path=Path(folder, name), **options)
