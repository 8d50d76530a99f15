"""A person at a browser, in front of a tenant's chat."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from playwright.sync_api import (
    Browser,
    Locator,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as Late

from tests.programs import program

SECONDS = 30
_LOADS = 5
# Chromium looks for its maker's hosts unless it is told not to.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

_CHANGED = "before => [...document.querySelectorAll('.chat-assistant')].at(-1)?.innerText != before"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A real, headless browser."""
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


def launched(playwright: Playwright, *arguments: str) -> Browser:
    """The same for whoever closes it, with arguments of its own."""
    found = program("chromium", "chromium", "chromium-browser", "google-chrome")
    return playwright.chromium.launch(executable_path=found, args=[*_ARGUMENTS, *arguments])


@dataclass(frozen=True)
class Person:
    """Somebody with a browser of their own, at one chat.

    Attributes:
        dropped: what the browser could not load because the machine's networks changed.
    """

    page: Page
    chat: str
    dropped: list[str]

    @classmethod
    def at(cls, browser: Browser, chat: str, *, ignore_https_errors: bool = False) -> Self:
        context = browser.new_context(
            viewport={"width": 1280, "height": 800}, ignore_https_errors=ignore_https_errors
        )
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        expect.set_options(timeout=SECONDS * 1000)
        dropped: list[str] = []

        def note(request: Request) -> None:
            if request.failure == "net::ERR_NETWORK_CHANGED":
                dropped.append(request.url)

        page.on("requestfailed", note)
        return cls(page, chat, dropped)

    def visit(self, path: str = "/") -> None:
        """Open the chat, or its login page for who has not signed in."""
        self.page.goto(f"{self.chat}{path}")
        self.arrive("#email, #chat-input")

    def reload(self) -> None:
        self.page.reload()
        self.arrive("#email, #chat-input")

    def arrive(self, element: str) -> None:
        """Wait until something is on the page."""
        # Another run of the tests, or another tenant, makes networks: Chromium drops what it
        # loads then, and the page is loaded again. A page that breaks otherwise stays broken.
        here = self.page.locator(element).first
        broken = self.page.get_by_text("500: Internal Error")
        for _ in range(_LOADS):
            try:
                here.or_(broken).first.wait_for()
            except Late:
                if not self.dropped:
                    raise
            if here.is_visible() or not self.dropped:
                break
            self.dropped.clear()
            self.page.reload()
        here.wait_for()

    def sign_up(self, *, name: str, email: str, password: str) -> None:
        self.visit("/auth")
        self.page.get_by_role("button", name="Sign up").click()
        self.page.locator("#name").fill(name)
        self._enter(email, password)

    def sign_in(self, *, email: str, password: str) -> None:
        self.visit("/auth")
        self._enter(email, password)

    def _enter(self, email: str, password: str) -> None:
        self.page.locator("#email").fill(email)
        self.page.locator("#password").fill(password)
        self.page.locator("button[type=submit]").click()
        self.arrive("#chat-input")
        self.close_news()

    def close_news(self) -> None:
        """Close what Open WebUI tells who comes for the first time."""
        news = self.page.get_by_role("button", name="Okay, Let's Go!")
        if news.count():
            news.click()

    def choose(self, model: str) -> None:
        """Begin a chat with a model."""
        self.visit(f"/?models={model}")
        self.page.get_by_role("button", name=f"Selected model: {model}").wait_for()

    def ask(self, text: str) -> None:
        self.page.locator("#chat-input").click()
        self.page.keyboard.type(text)
        self.page.locator("#send-message-button").click()

    @property
    def answer(self) -> str:
        """What the last answer says so far."""
        return self._answer.inner_text()

    def sees(self, text: str) -> None:
        """Wait until the last answer says so."""
        expect(self._answer).to_contain_text(text)

    def growth(self, end: str) -> list[str]:
        """The last answer as it looked after each change, until it says `end`."""
        seen = [""]
        while end not in seen[-1]:
            self.page.wait_for_function(_CHANGED, arg=seen[-1])
            seen.append(self.answer)
        return seen

    @property
    def _answer(self) -> Locator:
        return self.page.locator(".chat-assistant").last

    def open_chat(self, title: str) -> None:
        """Open a chat from the list at the side."""
        self.show_chats()
        self.page.get_by_role("listitem").get_by_role("button", name=title).first.click()

    def show_chats(self) -> None:
        closed = self.page.get_by_role("button", name="Open Sidebar")
        if closed.is_visible():
            closed.click()
        # Ready to be clicked: the side has stopped moving.
        self.page.get_by_role("button", name="Close Sidebar").click(trial=True)

    def picture(self, name: str) -> None:
        """Save what is seen, for the docs, where CLOUDFREEDOM_SCREENSHOTS names a folder."""
        if folder := os.environ.get("CLOUDFREEDOM_SCREENSHOTS"):
            self.show_chats()
            self.page.locator("#chat-input").click()
            for passing in ("You're now logged in.", "Loading...", "Close Sidebar"):
                expect(self.page.get_by_text(passing)).to_be_hidden()
            self.page.screenshot(path=Path(folder, name))

    def token(self) -> str:
        """The token of the session."""
        token = self.page.evaluate("localStorage.token")
        assert isinstance(token, str)
        return token

    def leave(self) -> None:
        """Sign out, wherever that leads."""
        self.page.get_by_role("button", name=re.compile("User (Profile )?Menu", re.I)).first.click()
        self.page.get_by_text("Sign Out").click()

    def sign_out(self) -> None:
        self.leave()
        elsewhere = self.page.get_by_role("button", name=re.compile("Continue with"))
        self.page.locator("#email").or_(elsewhere).first.wait_for()
