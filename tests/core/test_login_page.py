"""The login page and its kin, as people see them in a real browser."""

import json
import re
import string
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from cli.environment import ROOT
from core.services.web.language import FOLDER, LANGUAGES
from tests.core.identity import Identity
from tests.core.pages import LOOKS, check_looks, opened, picture, size
from tests.core.superuser import PASSWORD, Record
from tests.e2e.browser import chromium

SIGN_IN = {"en": "Sign in", "de": "Anmelden"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def ann(identity: Identity) -> Record:
    return identity.person(identity.acme)


@contextmanager
def at_identity(browser: Browser, identity: Identity, **options: Any) -> Iterator[Page]:
    hosts = (identity.url, identity.acme.url, identity.other.url)
    with opened(browser, *hosts, **options) as page:
        yield page


# --- The whole way


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_person_logs_in_to_the_chat_and_out(
    browser: Browser, identity: Identity, ann: Record, scripts: bool
) -> None:
    with at_identity(browser, identity, java_script_enabled=scripts, locale="en-GB") as page:
        page.goto(f"{identity.acme.url}/login")
        expect(page.get_by_role("heading")).to_have_text("Sign in")
        expect(page.get_by_text(f"to the chat of {identity.acme.tenant.name}")).to_be_visible()
        page.get_by_label("E-mail").fill(ann["email"])
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button").click()
        expect(page.get_by_role("alert")).to_have_text("The e-mail or the password is wrong.")
        expect(page.get_by_label("E-mail")).to_have_value(ann["email"])
        expect(page.get_by_label("Password")).to_have_value("")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button").click()
        expect(page.get_by_text(f"Welcome, {ann['email']}!")).to_be_visible()

        page.goto(f"{identity.acme.url}/login")
        expect(page.get_by_text(f"Welcome, {ann['email']}!")).to_be_visible()

        # Without its token the chat might be anybody: the person is asked, and then goes back.
        to = f"post_logout_redirect_uri={identity.acme.signed_out_uri}"
        page.goto(f"/end-session?{to}")
        page.get_by_role("button", name="Sign out").last.click()
        expect(page).to_have_url(identity.acme.signed_out_uri)
        page.goto(f"{identity.acme.url}/login")
        expect(page.get_by_label("Password")).to_be_visible()


def test_it_works_with_the_keyboard_alone(
    browser: Browser, identity: Identity, ann: Record
) -> None:
    with at_identity(browser, identity, locale="en-GB") as page:
        page.goto(f"{identity.acme.url}/login")
        expect(page.get_by_label("E-mail")).to_be_focused()
        page.keyboard.type(ann["email"])
        page.keyboard.press("Tab")
        expect(page.get_by_label("Password")).to_be_focused()
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("Password")).to_be_focused()
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Tab")
        expect(page.get_by_role("button")).to_be_focused()
        page.keyboard.press("Space")
        expect(page.get_by_text(f"Welcome, {ann['email']}!")).to_be_visible()


def test_whoever_comes_by_keyboard_can_skip_what_is_on_every_page(
    browser: Browser, identity: Identity
) -> None:
    with at_identity(browser, identity, locale="en-GB") as page:
        page.goto("/nothing")
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport(ratio=1)
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("#main$"))


# --- How it looks


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]} {look[1]} {look[2]}")
def test_everybody_can_use_the_pages(
    browser: Browser, identity: Identity, ann: Record, look: tuple[str, str, int]
) -> None:
    language, scheme, width = look
    options = {"locale": language, "color_scheme": scheme, "viewport": size(width)}
    with at_identity(browser, identity, **options) as page:

        def check(name: str) -> None:
            check_looks(page, language, width)
            if (name, language, width) == ("login", "en", 1280):
                picture(page, f"login-{scheme}.png")

        page.goto(f"{identity.acme.url}/login")
        check("login")
        page.locator("#email").fill(ann["email"])
        page.locator("#password").fill("wrong")
        page.get_by_role("button", name=SIGN_IN[language]).click()
        page.get_by_role("alert").wait_for()
        check("login-wrong")
        page.goto(f"{identity.other.url}/login")
        page.locator("#email").fill(ann["email"])
        page.locator("#password").fill(PASSWORD)
        page.get_by_role("button", name=SIGN_IN[language]).click()
        page.locator(".notice").wait_for()
        check("login-other-tenant")
        page.goto("/end-session")
        check("sign-out")
        page.locator("header summary").click()
        check("menu")
        page.locator("main button").click()
        check("signed-out")
        page.goto("/authorize")
        check("error")


def test_by_night_it_is_dark(browser: Browser, identity: Identity) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with at_identity(browser, identity, color_scheme=scheme) as page:
            page.goto("/login")
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            grounds[scheme] = sum(map(int, re.findall(r"\d+", ground)))
    assert grounds["light"] > 600
    assert grounds["dark"] < 150


# --- Texts


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT", "de"),
        ("DE", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("en;q=0.2, de; q=0.7", "de"),
        ("fr,it;q=0.9,de;q=0.1", "de"),
        ("fr", "en"),
        ("*", "en"),
        (";q=,de;q=x,,-", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_prefers(
    identity: Identity, accepted: str, language: str
) -> None:
    page = httpx.get(f"{identity.url}/login", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in page.text


def test_all_languages_say_the_same() -> None:
    english, *others = [json.loads((FOLDER / f"{name}.json").read_text()) for name in LANGUAGES]
    assert {path.stem for path in FOLDER.iterdir()} == set(LANGUAGES)
    for other in others:
        assert list(other) == list(english)
        for key, text in english.items():
            assert other[key], key
            assert named(other[key]) == named(text), key


def named(text: str) -> set[str | None]:
    """The values that a text names."""
    return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}


def test_nothing_is_in_the_page_that_the_policy_forbids() -> None:
    for template in (ROOT / "core" / "services" / "web" / "templates").rglob("*.html"):
        text = template.read_text("utf-8")
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", text), template
