"""A company with an OpenID provider and a Billing API of its own, and no core."""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from docker import DockerClient
from playwright.sync_api import Browser, expect

from tests.billing.client import Billing, BillingProcess
from tests.e2e.browser import Person, chromium
from tests.e2e.conftest import Running, running
from tests.e2e.doctor import found_wrong
from tests.e2e.project import Project, free_ports
from tests.e2e.tenants import epsilon
from tests.e2e.waiting import until
from tests.e2e.webui import SECONDS, Session, admin
from tests.openid.client import OpenIDProcess, account
from tests.openid.server import Account
from tests.providers.client import Providers

pytestmark = pytest.mark.usefixtures("on_one_way")

ADA = account("Ada Admin", "Chat Admins", verified=True)
BEN = account("Ben Example", "Everybody", "Chat People", email="Ben@Example.com")
CAT = account("Cat Stranger", "Everybody")
DAN = account("Dan Nobody")
EVE = account("Eve Evil", "Chat People", email=BEN.email, verified=False)

BUTTON = "Continue with Canaille"
FAILED = "Sign-in with your identity provider failed."
UNVERIFIED = "Your identity provider has not verified your e-mail address."
REFUSED = "You do not have permission to access this resource."


@dataclass(frozen=True)
class Company:
    """A tenant, and what its company had before."""

    running: Running
    openid: OpenIDProcess
    billing: Billing

    def bills(self, email: str) -> list[str]:
        """What the Billing API was told of somebody."""
        events = self.billing.events(self.running.slug)
        return [event.model for event in events if event.user == email]

    def asked_for(self) -> set[str]:
        """Whose budgets the Billing API was asked for."""
        asked = (body for body in self.billing.requests().bodies if "check" in body.path)
        checks = [json.loads(body.body) for body in asked]
        return {check["user_id"] for check in checks if check["tenant_id"] == self.running.slug}

    def passwords_count(self) -> bool:
        """Whether the first admin's password is a way in."""
        login = admin(self.running)
        body = {"email": login.email, "password": login.password}
        url = f"{self.running.chat}/api/v1/auths/signin"
        return httpx.post(url, json=body, timeout=SECONDS).is_success


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser of their own."""

    chat: Person
    account: Account

    @classmethod
    def at(cls, browser: Browser, company: Company, who: Account) -> "Visitor":
        return cls(Person.at(browser, company.running.chat), who)

    def knock(self) -> None:
        """Want to get in by way of the provider."""
        self.chat.page.goto(f"{self.chat.chat}/auth")
        self.chat.arrive(f"button:has-text('{BUTTON}')")
        self.chat.page.get_by_role("button", name=BUTTON).click()

    def log_in(self) -> None:
        """Say there who one is; where that leads is another matter."""
        self.knock()
        page = self.chat.page
        page.get_by_label("Login").fill(self.account.user_name)
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("textbox", name="Password").fill(self.account.password)
        page.get_by_role("button", name="Sign in").click()

    def enter(self) -> Session:
        self.log_in()
        self.chat.page.locator("#chat-input").wait_for()
        self.chat.close_news()
        return self.session()

    def session(self) -> Session:
        return Session(self.chat.chat, self.chat.token())

    def is_refused(self, words: str) -> None:
        """Log in, and see why that is not enough."""
        self.log_in()
        self.is_told(words)

    def is_told(self, words: str) -> None:
        """See why the chat stays closed."""
        expect(self.chat.page.get_by_text(words)).to_be_visible()
        assert self.chat.page.evaluate("localStorage.token") is None

    def chats(self) -> None:
        self.chat.choose("paid")
        self.chat.ask("Who am I?")
        self.chat.sees("answer from paid")


@pytest.fixture(scope="module")
def company(
    engine: DockerClient,
    providers: Providers,
    billing_process: BillingProcess,
    toolchain_name: str,
    project: Project,
) -> Iterator[Company]:
    slug = f"e{secrets.token_hex(3)}"
    chat, api = free_ports(2)
    host = billing_process.host
    openid = OpenIDProcess(
        folder=project.root,
        host=host,
        port=free_ports(1, address=host)[0],
        client_id=f"chat-of-{slug}",
        client_secret=os.environ["CLOUDFREEDOM_LOGIN_SECRET"],
        chat=f"http://127.0.0.1:{chat}",
        people=[ADA, BEN, CAT, DAN, EVE],
    )
    file = epsilon(
        slug,
        chat=chat,
        api=api,
        providers=providers,
        billing=billing_process.billing,
        issuer=openid.url,
    )
    with openid, running(engine, project, toolchain_name, [file]) as [up]:
        yield Company(up, openid, billing_process.billing)


@pytest.fixture(scope="module")
def browser(company: Company) -> Iterator[Browser]:  # noqa: ARG001 - closed before the next comes up
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def ben(company: Company, browser: Browser) -> Visitor:
    """Somebody who has a budget and has logged in."""
    company.billing.user(company.running.slug, BEN.email.lower()).budget("1")
    visitor = Visitor.at(browser, company, BEN)
    visitor.enter()
    return visitor


def test_a_person_of_the_provider_chats_and_pays_by_e_mail(company: Company, ben: Visitor) -> None:
    ben.chats()
    until(lambda: company.bills("ben@example.com") == ["paid"])
    assert "ben@example.com" in company.asked_for()
    assert "code_challenge_method=S256" in company.openid.log.read_text(encoding="utf-8")


def test_a_group_is_a_role_as_long_as_one_is_in_it(
    company: Company, browser: Browser, ben: Visitor
) -> None:
    ada = Visitor.at(browser, company, ADA)
    ada.enter()
    for visitor, role in ((ada, "admin"), (ben, "user")):
        known = visitor.session().who().json()
        assert (known["name"], known["role"]) == (visitor.account.name, role)
    with company.openid.changed(people=[ADA.model_copy(update={"groups": []})]):
        Visitor.at(browser, company, ADA).is_refused(REFUSED)


@pytest.mark.parametrize("who", [CAT, DAN], ids=["other groups", "no group"])
def test_whoever_is_in_no_group_that_may_chat_is_refused(
    company: Company, browser: Browser, who: Account
) -> None:
    Visitor.at(browser, company, who).is_refused(REFUSED)


def test_an_unverified_e_mail_leads_into_nobody_s_account(
    company: Company, browser: Browser, ben: Visitor
) -> None:
    Visitor.at(browser, company, EVE).is_refused(UNVERIFIED)
    # Nor does it later, when the provider has verified another one.
    own = EVE.model_copy(update={"email": "eve@example.com", "verified": True})
    with company.openid.changed(people=[own]):
        known = Visitor.at(browser, company, own).enter().who().json()
    assert known["email"] == "eve@example.com"
    assert known["id"] != ben.session().who().json()["id"]


def test_with_another_secret_the_chat_says_that_the_login_failed(
    company: Company, browser: Browser
) -> None:
    with company.openid.changed(client_secret="another"):
        Visitor.at(browser, company, BEN).is_refused(FAILED)


def test_whoever_signs_out_is_out_at_the_provider_too(company: Company, browser: Browser) -> None:
    ada = Visitor.at(browser, company, ADA)
    session = ada.enter()
    ada.chat.leave()
    expect(ada.chat.page.get_by_text("You have been disconnected")).to_be_visible()
    assert not session.valid
    ada.knock()
    expect(ada.chat.page.get_by_label("Login")).to_be_visible()


def test_while_the_provider_is_away_whoever_is_logged_in_chats_on(
    company: Company, ben: Visitor
) -> None:
    assert found_wrong(company.running) == {}
    with company.openid.away():
        ben.chats()
        [(what, problem)] = found_wrong(company.running).items()
    assert what == f"login at {company.openid.url}"
    assert "does not answer" in problem


def test_passwords_count_if_the_file_says_so_and_the_provider_may_be_away_then(
    company: Company, browser: Browser
) -> None:
    visitor, first = Person.at(browser, company.running.chat), admin(company.running)
    visitor.page.goto(f"{company.running.chat}/auth")
    visitor.page.get_by_role("button", name=BUTTON).wait_for()
    assert not visitor.page.locator("#password").count()
    assert not company.passwords_count()
    login = {**company.running.tenant["login"], "passwords": True}
    with company.openid.away():
        company.running.change({"login": login})
        stranger = Visitor.at(browser, company, BEN)
        stranger.knock()
        stranger.is_told(FAILED)
        visitor.sign_in(email=first.email, password=first.password)
