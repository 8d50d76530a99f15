"""A core, a tenant of it, and people at its login and portal."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from docker import DockerClient
from playwright.sync_api import Browser, Page, expect

from cli.deployers.deployer import Deployer
from cli.given_keys import given_keys
from components.labels import TENANT
from tests.e2e import toolchains
from tests.e2e.browser import Person
from tests.e2e.conftest import Running, remove
from tests.e2e.project import Project, free_ports
from tests.e2e.tenants import core_of, delta
from tests.providers.client import Providers

ADA, BEN = "ada@example.com", "ben@example.com"


@dataclass(frozen=True)
class Core:
    """A core that is up, and its tenant.

    Attributes:
        passwords: those that people have chosen, by e-mail.
    """

    deployer: Deployer
    slug: str
    port: int
    tenant: Running
    engine: DockerClient
    file: dict[str, Any]
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where people log in, and see what they spend."""
        return str(self.deployer.outputs()["portal_url"])

    def password(self, email: str) -> str:
        """The one that somebody has chosen, or else their first one."""
        return self.passwords.get(email) or str(self.deployer.outputs()["people"][email])

    def stop(self, part: str) -> None:
        self.engine.containers.get(f"{self.slug}-{part}").stop(timeout=5)

    def start(self, part: str) -> None:
        self.engine.containers.get(f"{self.slug}-{part}").start()


@contextmanager
def core_and_tenant(
    engine: DockerClient,
    project: Project,
    toolchain_name: str,
    *,
    bridge: str,
    providers: Providers,
) -> Iterator[Core]:
    """A core and its tenant, which gets from it what it needs, as `make demo` does it."""
    mark = secrets.token_hex(3)
    slug, name = f"core-{mark}", f"d{mark}"
    billing, identity, chat, api = free_ports(4, address=bridge)
    core_file = core_of(
        slug, tenant=name, chat_url=f"http://{bridge}:{chat}", billing=billing, identity=identity
    )
    project.write_core(slug, core_file)
    file = delta(
        name,
        bind=bridge,
        chat=chat,
        api=api,
        providers=providers,
        billing=billing,
        identity=identity,
    )
    project.write(file)
    tool, folder = toolchains.available()[toolchain_name], project.root / "stacks" / slug
    settings = {**toolchains.SETTINGS, "hostGateway": bridge}
    core = tool.deployer(
        slug, root=project.root / "core", folder=folder, settings=settings, keys={}
    )
    try:
        core.up()
        made, keys = tool.joined(name, core)
        settings = {**toolchains.SETTINGS, **made}
        keys |= {path: key for path, key in given_keys().items() if path.startswith("providerKeys")}
        deployer = tool.deployer(
            name, root=project.root, folder=folder, settings=settings, keys=keys
        )
        tenant = Running(project, deployer, file, engine)
        try:
            deployer.up()
            yield Core(core, slug, identity, tenant, engine, core_file)
        finally:
            remove(tenant)
    finally:
        core.down()
        for volume in engine.volumes.list(filters={"label": f"{TENANT}={slug}"}):
            volume.remove()


@dataclass(frozen=True)
class CorePerson:
    """Somebody with a browser of their own, at the core's login, the chat and the portal."""

    core: Core
    email: str
    chat: Person

    @classmethod
    def at(cls, browser: Browser, core: Core, email: str) -> "CorePerson":
        return cls(core, email, Person.at(browser, core.tenant.chat))

    @property
    def page(self) -> Page:
        return self.chat.page

    def open_chat(self) -> None:
        """Come to the chat by way of the login, which asks for a password if nobody is there."""
        self.page.goto(f"{self.core.tenant.chat}/auth")
        button = "button:has-text('Continue with PocketBase')"
        self.chat.arrive(button)
        self.page.locator(button).click()
        self._log_in_if_asked("#chat-input")
        self.chat.close_news()

    def open_portal(self, path: str = "/") -> None:
        self.page.goto(f"{self.core.url}{path}")
        self._log_in_if_asked("nav")

    def _log_in_if_asked(self, there: str) -> None:
        password = self.page.locator("input[type=password]")
        self.chat.arrive(f"input[type=password], {there}")
        if password.is_visible():
            self.page.get_by_label("E-mail").fill(self.email)
            password.fill(self.core.password(self.email))
            self.page.get_by_role("button", name="Sign in").click()
            self._choose_a_password_if_asked(there)
        self.chat.arrive(there)

    def _choose_a_password_if_asked(self, there: str) -> None:
        """As everybody is at their first login."""
        new = self.page.locator("#new_password")
        self.chat.arrive(f"#new_password, {there}")
        if new.is_visible():
            chosen = secrets.token_urlsafe(12)
            new.fill(chosen)
            self.page.locator("#again").fill(chosen)
            self.page.get_by_role("button", name="Save password").click()
            self.core.passwords[self.email] = chosen

    def portal_says(self, text: str, *, path: str = "/", seconds: int = 15) -> None:
        """Look at the portal until it says so."""
        self.open_portal(path)
        for _ in range(seconds * 2):
            if self.page.get_by_text(text).count():
                return
            self.page.wait_for_timeout(500)
            self.page.reload()
        expect(self.page.locator("main")).to_contain_text(text)

    def set_budget(self, name: str, amount: str) -> None:
        """As an admin: another budget for somebody."""
        self.open_portal("/people")
        self.page.get_by_role("link", name=re.compile(f"of {name}")).click()
        self.page.get_by_label("Amount").fill(amount)
        self.page.get_by_role("button", name="Save").click()
        expect(self.page.locator("main")).to_contain_text(f"{name} now has a budget of")

    def sign_out_everywhere(self) -> None:
        self.open_portal()
        self.page.get_by_role("navigation").locator("summary").click()
        self.page.get_by_role("button", name="Sign out everywhere").click()
        expect(self.page.locator("main")).to_contain_text("You are signed out of every browser.")

    def is_asked_to_log_in(self) -> bool:
        """Whether the portal wants a password."""
        self.page.goto(self.core.url)
        self.page.locator("nav, input[type=password]").first.wait_for()
        return self.page.locator("input[type=password]").is_visible()

    def who(self, token: str) -> int:
        """What the chat answers to one of its tokens: 200, or 401 for a dead one."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.core.tenant.chat}/api/v1/auths/"
        return httpx.get(url, headers=headers, timeout=60).status_code
