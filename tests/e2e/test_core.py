"""A core and its tenant: one login, budgets that people see, and what happens without it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from docker import DockerClient
from playwright.sync_api import Browser, expect

from cli.deployers.pulumi import PulumiDeployer
from tests.e2e import pulumi_cli
from tests.e2e.browser import chromium
from tests.e2e.core import ADA, BEN, Core, CorePerson, core_and_tenant
from tests.e2e.doctor import found_wrong, found_wrong_in_core
from tests.e2e.project import Project
from tests.e2e.threads import apart
from tests.e2e.waiting import until
from tests.providers.client import Providers


@pytest.fixture(scope="module")
def core(
    engine: DockerClient, providers: Providers, bridge: str, toolchain_name: str, project: Project
) -> Iterator[Core]:
    with core_and_tenant(engine, project, toolchain_name, bridge=bridge, providers=providers) as up:
        yield up


@pytest.fixture(scope="module")
def browser(core: Core) -> Iterator[Browser]:  # noqa: ARG001 - closed before another core comes up
    with chromium() as started:
        yield started


def test_the_whole_story(core: Core, browser: Browser, providers: Providers) -> None:
    """A person logs in, spends a budget, is refused, gets a larger one and signs out."""
    providers.deployment("paid").set(prompt_tokens=100, completion_tokens=200)
    ben, ada = (CorePerson.at(browser, core, email) for email in (BEN, ADA))
    ben.open_chat()
    ben.chat.choose("paid")
    ben.chat.ask("How much is left?")
    ben.chat.sees("answer from paid")
    token = ben.chat.token()

    assert not ben.is_asked_to_log_in()  # one login is for both
    ben.portal_says("€0.000500 used (100%)")
    ben.chat.choose("paid")
    ben.chat.ask("And now?")
    ben.chat.sees("Your budget of 0.0005 EUR is used up.")

    ada.set_budget("Ben Example", "1")
    ben.chat.choose("paid")
    ben.chat.ask("And with a larger budget?")
    ben.chat.sees("answer from paid")

    assert ben.who(token) == 200
    ben.chat.sign_out()
    assert ben.who(token) == 401
    assert ben.is_asked_to_log_in()
    assert not ada.is_asked_to_log_in()


@pytest.mark.usefixtures("on_one_way")
def test_the_role_of_the_core_is_that_of_the_chat(core: Core, browser: Browser) -> None:
    for email, role in ((ADA, "admin"), (BEN, "user")):
        person = CorePerson.at(browser, core, email)
        person.open_chat()
        session = person.page.evaluate(
            "fetch('/api/v1/auths/', {headers: {Authorization: `Bearer ${localStorage.token}`}})"
            ".then(answer => answer.json())"
        )
        assert (session["email"], session["role"]) == (email, role)


@pytest.mark.usefixtures("on_one_way")
def test_signing_out_everywhere_ends_every_session(core: Core, browser: Browser) -> None:
    here, there = (CorePerson.at(browser, core, BEN) for _ in range(2))
    tokens = []
    for person in (here, there):
        person.open_chat()
        tokens.append(person.chat.token())
    assert [here.who(token) for token in tokens] == [200, 200]
    here.sign_out_everywhere()
    until(lambda: [here.who(token) for token in tokens] == [401, 401])
    assert there.is_asked_to_log_in()


@pytest.mark.usefixtures("on_one_way")
@pytest.mark.parametrize("part", ["litellm", "openwebui"])
def test_a_tenant_reaches_the_core_s_services_and_nothing_behind_them(
    core: Core, part: str
) -> None:
    networks = core.engine.containers.get(f"{core.slug}-pocketbase").attrs["NetworkSettings"]
    addresses = [network["IPAddress"] for network in networks["Networks"].values()]
    assert len(addresses) == 1
    urls = [f"http://identity-core:{core.port}{path}" for path in ("/api/health", "/_/")]
    urls += [f"http://{address}:8090/api/health" for address in (*addresses, "pocketbase")]
    fetch = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=3).read())"
    for url in urls:
        code, answer = core.tenant.run(part, "python3", "-c", fetch, url)
        assert code != 0, f"{url} answers {answer}"


@pytest.mark.usefixtures("on_one_way")
def test_a_tenant_without_its_core_says_so_and_recovers_by_itself(core: Core) -> None:
    def problems() -> dict[str, str]:
        return found_wrong(core.tenant)

    until(lambda: problems() == {}, seconds=30)
    gateway = f"{core.tenant.slug}-litellm"
    for part in ("billing", "identity"):
        core.stop(part)
    until(lambda: gateway in problems(), seconds=60)
    found = problems()
    assert found.pop(gateway).startswith("is unhealthy: the Billing API cannot be used: ")
    login, billing = (found[name] for name in sorted(found, reverse=True))
    assert login.startswith("does not answer: ")
    assert billing.startswith("does not answer: ")
    for part in ("billing", "identity"):
        core.start(part)
    until(lambda: problems() == {}, seconds=60)


@contextmanager
def another_secret(core: Core, part: str, name: str) -> Iterator[None]:
    """While a container of the tenant holds a secret that was replaced where it is from."""
    path = f"/run/secrets/env/{name}"
    _, secret = core.tenant.run(part, "cat", path, user="0")
    write = 'chmod u+w "$1" && printf %s "$2" > "$1"'
    try:
        core.tenant.run(part, "sh", "-c", write, "-", path, "another", user="0")
        yield
    finally:
        core.tenant.run(part, "sh", "-c", write, "-", path, secret, user="0")


@pytest.mark.usefixtures("on_one_way")
def test_the_doctor_tells_a_replaced_secret_from_one_that_is_right(core: Core) -> None:
    issuer, billing = core.tenant.tenant["login"]["issuer"], core.tenant.tenant["billing"]["url"]
    with another_secret(core, "openwebui", "OAUTH_CLIENT_SECRET"):
        found = found_wrong(core.tenant)
    assert list(found) == [f"login at {issuer}"]
    assert found[f"login at {issuer}"].startswith(
        f"refuses the client '{core.tenant.slug}' or its secret: it was rotated there, or"
    )
    with another_secret(core, "litellm", "BILLING_API_KEY"):
        found = found_wrong(core.tenant)
    assert list(found) == [f"Billing API at {billing}"]
    assert found[f"Billing API at {billing}"].startswith("refuses the tenant's key (401): it was")


@pytest.mark.usefixtures("on_one_way")
def test_the_doctor_says_that_the_core_s_pocketbase_is_dead(core: Core) -> None:
    core.stop("pocketbase")
    try:
        of_tenant, of_core = found_wrong(core.tenant), found_wrong_in_core(core.file)
    finally:
        core.start("pocketbase")
    [billing] = [found for what, found in of_tenant.items() if what.startswith("Billing API")]
    [login] = [found for what, found in of_tenant.items() if what.startswith("login at")]
    # The look-up of a container that is gone may outlast the doctor's patience.
    assert billing.startswith(("answered 503: ", "does not answer: "))
    assert login.startswith(("its token endpoint answered 503: ", "does not answer: "))
    assert of_core[f"{core.slug}-pocketbase"].startswith("is exited (exit ")
    until(lambda: {**found_wrong(core.tenant), **found_wrong_in_core(core.file)} == {}, seconds=60)


@pytest.mark.usefixtures("on_one_way")
def test_the_doctor_says_that_a_part_was_killed_for_memory(core: Core) -> None:
    part = core.engine.containers.get(f"{core.slug}-billing")
    eat = "x = bytearray(); [x.extend(bytes(2**24)) for _ in range(64)]"
    part.exec_run(["python3", "-c", eat])
    found = found_wrong_in_core(core.file)[f"{core.slug}-billing"]
    assert found.startswith("was killed for memory (restarted 0 times): raise `billing.")


def test_a_second_up_changes_neither_core_nor_tenant(core: Core) -> None:
    def ids() -> list[str]:
        labels = [f"cloudfreedom.tenant={slug}" for slug in (core.slug, core.tenant.slug)]
        found = [core.engine.containers.list(filters={"label": label}) for label in labels]
        return sorted(container.id or "" for containers in found for container in containers)

    before = ids()
    assert len(before) == 7
    for deployer in (core.deployer, core.tenant.deployer):
        apart(deployer.up)
        if isinstance(deployer, PulumiDeployer):
            pulumi_cli.run(deployer, "preview", "--refresh", "--expect-no-changes")
    assert ids() == before


@pytest.mark.usefixtures("on_one_way")
def test_after_the_session_s_length_the_next_click_leads_to_the_login(
    core: Core, browser: Browser
) -> None:
    session = {**core.tenant.tenant["openwebui"], "session": "15s"}
    core.tenant.change({"openwebui": session})
    ben = CorePerson.at(browser, core, BEN)
    ben.open_chat()
    ben.page.wait_for_timeout(16_000)
    ben.page.goto(core.tenant.chat)
    expect(ben.page.get_by_role("button", name="Continue with PocketBase")).to_be_visible()
