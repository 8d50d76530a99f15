"""A person at a browser, in front of a tenant's chat."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from playwright.sync_api import Browser, Page, expect, sync_playwright

from ops.tools import ROOT

SECONDS = 30
# Chromium looks for its maker's hosts unless it is told not to.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A real, headless browser."""
    found = subprocess.run(
        [ROOT / "tools" / "chromium"], check=True, text=True, capture_output=True
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.stdout.strip().splitlines()[-1], args=_ARGUMENTS
        )
        yield browser
        browser.close()


@dataclass(frozen=True)
class Person:
    """Somebody with a browser of their own, at one chat."""

    page: Page
    chat: str

    @classmethod
    def at(cls, browser: Browser, chat: str) -> Self:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(SECONDS * 1000)
        expect.set_options(timeout=SECONDS * 1000)
        return cls(page, chat)

    def sign_up(self, *, name: str, email: str, password: str) -> None:
        self.page.goto(f"{self.chat}/auth")
        self.page.get_by_role("button", name="Sign up").click()
        self.page.locator("#name").fill(name)
        self._enter(email, password)

    def sign_in(self, *, email: str, password: str) -> None:
        self.page.goto(f"{self.chat}/auth")
        self._enter(email, password)

    def _enter(self, email: str, password: str) -> None:
        self.page.locator("#email").fill(email)
        self.page.locator("#password").fill(password)
        self.page.locator("button[type=submit]").click()
        self.page.locator("#chat-input").wait_for()
        self._close_news()

    def _close_news(self) -> None:
        news = self.page.get_by_role("button", name="Okay, Let's Go!")
        if news.count():
            news.click()

    def ask(self, text: str) -> None:
        self.page.locator("#chat-input").click()
        self.page.keyboard.type(text)
        self.page.locator("#send-message-button").click()

    @property
    def answer(self) -> str:
        """What the last answer says so far."""
        return self.page.locator(".chat-assistant").last.inner_text()

    def token(self) -> str:
        """The token of the session."""
        token = self.page.evaluate("localStorage.token")
        assert isinstance(token, str)
        return token

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="User menu").first.click()
        self.page.get_by_text("Sign Out").click()
        self.page.locator("#email").wait_for()
