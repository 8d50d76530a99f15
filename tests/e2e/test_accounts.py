"""Whose account it is, at an OpenID provider that says what it is told."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from docker import DockerClient

from tests.e2e.conftest import Running, running
from tests.e2e.project import Project, free_ports
from tests.e2e.test_chat import overheard
from tests.e2e.webui import Session
from tests.openid.bare_client import BareProcess, RefusedError

pytestmark = pytest.mark.usefixtures("on_one_way")


@dataclass(frozen=True)
class Company:
    """A tenant, and its provider, which puts no e-mail where others do."""

    running: Running
    provider: BareProcess

    def enter(self, subject: str, email: str, **claims: Any) -> Session:
        """Log in as somebody of whom the provider says this."""
        self.provider.says(sub=subject, upn=email, name="Somebody", role="user", **claims)
        return Session(self.running.chat, self.provider.log_in(self.running.chat))

    def told(self, session: Session) -> dict[str, str]:
        """What the gateway is told of who asks."""
        with overheard(self.running, "litellm", "POST /v1/chat/completions") as heads:
            session.ask("demo-model", "Who pays?")
        claims: dict[str, str] = jwt.decode(
            heads["x-openwebui-user-jwt"], options={"verify_signature": False}
        )
        return {name: value for name, value in claims.items() if name.startswith("oidc_")}


@pytest.fixture(scope="module")
def company(
    engine: DockerClient, bridge: str, toolchain_name: str, project: Project
) -> Iterator[Company]:
    slug = f"z{secrets.token_hex(3)}"
    chat, api = free_ports(2)
    provider = BareProcess(
        folder=project.root,
        host=bridge,
        port=free_ports(1, address=bridge)[0],
        client_id=slug,
        client_secret=os.environ["CLOUDFREEDOM_LOGIN_SECRET"],
        settings={"methods": ["client_secret_post"]},
    )
    file = {
        "slug": slug,
        "name": "Zeta",
        "openwebui": {"port": chat, "names": [f"localhost:{chat}"]},
        "litellm": {"port": api},
        "login": {"issuer": provider.url, "email_claim": "upn"},
    }
    with provider, running(engine, project, toolchain_name, [file]) as [up]:
        yield Company(up, provider)


def account(session: Session) -> str:
    return str(session.who().json()["id"])


def test_a_person_who_is_renamed_keeps_account_and_chats(company: Company) -> None:
    before = company.enter("1", "Ann@acme.example")
    before.keep("a secret")
    after = company.enter("1", "ann.new@acme.example")
    assert account(after) == account(before)
    assert after.who().json()["email"] == "ann.new@acme.example"
    assert len(after.history()) == 1
    assert company.told(after) == {
        "oidc_issuer": company.provider.url,
        "oidc_subject": "1",
        "oidc_email": "ann.new@acme.example",
    }


def test_an_address_given_anew_opens_nothing(company: Company) -> None:
    former = company.enter("2", "shared@acme.example")
    former.keep("a secret")
    mine = account(former)
    colleague = company.enter("3", "shared@acme.example", email_verified=True)
    assert account(colleague) != mine
    assert colleague.history() == []
    assert not former.valid, "the former owner logs in once more"
    again = company.enter("2", "renamed@acme.example")
    assert account(again) == mine
    assert len(again.history()) == 1
    assert colleague.who().json()["email"] == "shared@acme.example"


def test_an_account_of_the_chat_s_own_needs_a_verified_address(company: Company) -> None:
    first = str(company.running.deployer.outputs()["openwebui_admin_email"])
    unsure: list[dict[str, str]] = [{}, {"email_verified": "false"}]
    for verified in unsure:
        with pytest.raises(RefusedError, match="has not verified"):
            company.enter("4", first, **verified)
    assert company.enter("4", first, email_verified=True).who().json()["email"] == first


def test_without_an_e_mail_the_claim_is_named(company: Company) -> None:
    company.provider.says(sub="5", email="ann@acme.example", name="Ann", role="user")
    with pytest.raises(RefusedError, match="no claim “upn”"):
        company.provider.log_in(company.running.chat)


def test_a_claim_may_come_from_userinfo_alone(company: Company) -> None:
    company.provider.says(later={"upn": "late@acme.example", "name": "Late"}, sub="6", role="user")
    session = Session(company.running.chat, company.provider.log_in(company.running.chat))
    assert session.who().json()["name"] == "Late"
