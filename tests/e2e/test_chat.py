"""What a person sees and can do at a tenant's chat, in a real browser."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e import sniffer
from tests.e2e.browser import Person, chromium
from tests.e2e.conftest import Running
from tests.e2e.waiting import until_healthy
from tests.e2e.webui import Login, Session, admin
from tests.providers.client import Providers

pytestmark = pytest.mark.usefixtures("on_one_way")

QUESTION = "What is a tenant?"
LAST_WORDS = "they have a price."  # of the demonstration model's answer


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visitor(browser: Browser, beta_tenant: Running) -> Iterator[Person]:
    """Somebody who is at the chat for the first time."""
    person = Person.at(browser, beta_tenant.chat)
    yield person
    person.page.context.close()


@pytest.fixture
def login() -> Login:
    return Login.new()


@pytest.fixture
def person(visitor: Person, login: Login) -> Person:
    """Somebody who has just signed up."""
    visitor.sign_up(**vars(login))
    return visitor


@pytest.fixture
def member(browser: Browser, alpha_tenant: Running, login: Login) -> Iterator[Person]:
    """Somebody for whom the admin of `alpha`, where nobody signs up, has made an account."""
    Session.new(alpha_tenant, login)
    person = Person.at(browser, alpha_tenant.chat)
    person.sign_in(email=login.email, password=login.password)
    yield person
    person.page.context.close()


def test_the_first_visit_leads_to_the_login_page(visitor: Person) -> None:
    visitor.visit()
    expect(visitor.page.get_by_text("Sign in to Beta (Open WebUI)")).to_be_visible()
    assert httpx.URL(visitor.page.url).path == "/auth"
    expect(visitor.page).to_have_title("Beta (Open WebUI)")


def test_an_answer_is_seen_growing(person: Person) -> None:
    person.ask(QUESTION)
    lengths = [len(text) for text in person.growth(LAST_WORDS)]
    assert len(lengths) > 5
    assert lengths == sorted(lengths)
    person.picture("chat.png")


def test_the_history_survives_a_reload_and_the_next_login(
    person: Person, login: Login, beta_tenant: Running
) -> None:
    person.ask(QUESTION)
    person.sees(LAST_WORDS)
    person.reload()
    person.sees(LAST_WORDS)

    before = Session(beta_tenant.chat, person.token())
    assert before.valid
    person.sign_out()
    assert not before.valid, "the token is revoked"

    person.sign_in(email=login.email, password=login.password)
    person.open_chat(QUESTION)
    person.sees(LAST_WORDS)


def test_a_restart_ends_no_session_and_loses_no_history(
    person: Person, beta_tenant: Running
) -> None:
    person.ask(QUESTION)
    person.sees(LAST_WORDS)
    for part in ("openwebui", "postgres"):
        beta_tenant.container(part).restart()
    until_healthy(beta_tenant, "postgres", "openwebui")
    person.reload()
    person.sees(LAST_WORDS)
    person.ask("And after a restart?")
    person.sees("“And after a restart?”")


def test_the_first_admin_signs_in_with_the_exported_login(
    visitor: Person, beta_tenant: Running
) -> None:
    login = admin(beta_tenant)
    visitor.sign_in(email=login.email, password=login.password)
    who = Session(beta_tenant.chat, visitor.token()).who().json()
    assert (who["email"], who["role"]) == (login.email, "admin")


def test_where_signup_is_closed_nobody_signs_up(
    browser: Browser, alpha_tenant: Running, login: Login
) -> None:
    visitor = Person.at(browser, alpha_tenant.chat)
    visitor.visit("/auth")
    expect(visitor.page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(visitor.page.get_by_text("Sign up")).to_have_count(0)
    visitor.page.context.close()
    refused = httpx.post(f"{alpha_tenant.chat}/api/v1/auths/signup", json=vars(login))
    assert refused.status_code == 403
    assert httpx.post(f"{alpha_tenant.chat}/api/v1/auths/signin", json=vars(login)).is_error


def test_the_first_model_of_the_file_is_chosen_already(member: Person) -> None:
    member.visit()
    member.ask(QUESTION)
    member.sees("answer from gpt")


def test_one_message_is_one_call_of_the_provider(member: Person, providers: Providers) -> None:
    providers.reset()
    for count in (1, 2):
        member.choose("gpt")
        member.ask(QUESTION)
        member.sees("answer from gpt")
        # What a first message brings with it, such as a title, has come by the second.
        assert len(providers.deployment("gpt").calls()) == count


def test_what_is_not_there_is_not_shown(person: Person) -> None:
    """No engine for speech, no store of knowledge, no web search."""
    person.ask(QUESTION)
    person.sees(LAST_WORDS)
    page = person.page
    page.locator("#continue-response-button").wait_for()
    assert not page.locator("#voice-input-button, [id^=speak-button-]").filter(visible=True).count()
    page.locator("#input-menu-button").click()
    page.get_by_role("menuitem", name="Upload Files").wait_for()
    offered = page.locator("[role=menuitem]").filter(visible=True).all_inner_texts()
    assert not {"Attach Webpage", "Attach Knowledge"} & {text.strip() for text in offered}


def test_formulas_and_diagrams_are_drawn_within_the_content_policy(person: Person) -> None:
    refused: list[str] = []
    page = person.page
    page.on("console", lambda said: refused.append(said.text) if "Policy" in said.text else None)
    page.locator("#chat-input").click()
    page.keyboard.insert_text("$$x^2$$\n```mermaid\ngraph TD; Start-->End;\n```\n")
    page.locator("#send-message-button").click()
    person.sees(LAST_WORDS)
    page.locator(".katex").first.wait_for()
    page.locator("svg[aria-roledescription]").first.wait_for()
    assert refused == []


def test_a_refusal_of_the_provider_is_shown(member: Person, providers: Providers) -> None:
    providers.deployment("busy").set(status=429)
    member.choose("busy")
    member.ask(QUESTION)
    member.sees("Too Many Requests")


def test_the_gateway_alone_is_told_who_chats(
    alpha_tenant: Running, login: Login, providers: Providers
) -> None:
    session = Session.new(alpha_tenant, login)
    providers.reset()
    with overheard(alpha_tenant, "litellm", "POST /v1/chat/completions") as heads:
        session.ask("gpt", QUESTION)
    names = {name for name in heads if name.startswith("x-openwebui-user")}
    assert names == {"x-openwebui-user-jwt"}, "nothing that anybody could write"
    _, key = alpha_tenant.run("litellm", "cat", "/run/secrets/env/OPENWEBUI_JWT_SECRET", user="0")
    assert claims(heads["x-openwebui-user-jwt"], key)["email"] == login.email

    [call] = providers.deployment("gpt").calls()
    told = json.dumps([call.headers, call.body]).lower()
    for private in (login.email, login.name.lower(), "openwebui", "jwt"):
        assert private not in told


def claims(token: str, key: str) -> dict[str, str]:
    """What a token says that was signed with the key."""
    signed, _, signature = token.rpartition(".")
    digest = hmac.digest(key.encode(), signed.encode(), hashlib.sha256)
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == signature
    body = signed.partition(".")[2]
    content: dict[str, str] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return content


@contextmanager
def overheard(running: Running, part: str, start: str) -> Iterator[dict[str, str]]:
    """Headers, by their lower-case names, of the request that a container gets meanwhile."""
    pid = running.container(part).attrs["State"]["Pid"]
    command = [*("nsenter", "--target", str(pid), "--net"), sys.executable, sniffer.__file__, start]
    heads: dict[str, str] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout
        assert listening.stdout.readline() == "listening\n"
        yield heads
        printed, _ = listening.communicate(timeout=30)
    lines = [line.partition(": ") for line in printed.splitlines()[1:]]
    heads.update({name.lower(): value for name, _, value in lines})
