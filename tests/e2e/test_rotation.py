"""A secret is replaced on the living system: everywhere, at once, and nothing else is."""

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from cli.environment import docker_address
from cli.running import RunningStack
from cli.yaml_io import read_yaml
from components.services.openwebui import chat_command
from tests.e2e.api import chat, client
from tests.e2e.conftest import Running
from tests.e2e.valkey import password_of
from tests.e2e.waiting import until_healthy
from tests.e2e.webui import Login, Session

PARTS = ("postgres", "redis", "litellm", "openwebui")
VOLUMES = ("postgres", "redis", "openwebui")


class Tenant:
    """A tenant before a rotation, with somebody's chats in it."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.login = Login.new()
        self.session = Session.new(running, self.login)
        self.session.keep("before the rotation")
        self._history = self.session.history()
        self._ids, self._volumes = self._containers(), self._made()

    def rotate(self, name: str) -> None:
        """Raise a secret's number, as whoever edits the stack's config does."""
        file = self.running.project.root / f"Pulumi.{self.running.slug}.yaml"
        turns: dict[str, Any] = read_yaml(file)["config"].get("cloudfreedom:rotation", {})
        self.running.change(rotation=turns | {name: turns.get(name, 1) + 1})

    def check(self, *, replaced: set[str]) -> None:
        """See that the data is there, and only the parts that hold the secret are new."""
        now = self._containers()
        assert {part for part in PARTS if now[part] != self._ids[part]} == replaced
        assert self._made() == self._volumes
        assert Session.sign_in(self.running, self.login).history() == self._history

    def _containers(self) -> dict[str, str | None]:
        return {part: self.running.container(part).id for part in PARTS}

    def _made(self) -> list[str]:
        """When each volume was made."""
        volumes = self.running.engine.volumes
        return [volumes.get(f"{self.running.slug}-{part}").attrs["CreatedAt"] for part in VOLUMES]


def secret(running: Running, part: str, name: str) -> str:
    """A secret that a container holds."""
    code, value = running.run(part, "cat", f"/run/secrets/{name}", user="0")
    assert code == 0
    return value.split()[-1]


def database_opens(running: Running, name: str, password: str) -> bool:
    query = 'PGPASSWORD="$1" psql -XqtA -h postgres -U "$0" -d "$0" -c "SELECT current_user"'
    code, printed = running.run("postgres", "sh", "-c", query, name, password)
    assert (code == 0) == (printed.strip() == name), printed
    assert code == 0 or "password authentication failed" in printed, printed
    return code == 0


USERS = ("litellm", "ledger", "openwebui")


def redis_passwords(running: Running) -> dict[str, str]:
    """The password of each user of Redis."""
    return {user: running.run("redis", "sh", "-c", password_of(user))[1].strip() for user in USERS}


def redis_opens(running: Running, user: str, password: str) -> bool:
    ping = 'REDISCLI_AUTH="$1" valkey-cli --user "$0" ping'
    _, printed = running.run("redis", "sh", "-c", ping, user, password)
    assert "PONG" in printed or "WRONGPASS" in printed, printed
    return "PONG" in printed


def gateway_opens(running: Running, key: str) -> bool:
    with client(running, key) as gateway:
        status = chat(gateway, "demo-model").status_code
    assert status in (200, 401), status
    return status == 200


@pytest.fixture
def tenant(beta_tenant: Running) -> Tenant:
    return Tenant(beta_tenant)


def test_the_passwords_of_the_database(tenant: Tenant) -> None:
    running, roles = tenant.running, ("litellm", "openwebui")
    old = {role: secret(running, "postgres", f"{role}-database") for role in roles}
    assert all(database_opens(running, role, old[role]) for role in roles)

    tenant.rotate("postgres")

    for role in roles:
        assert not database_opens(running, role, old[role])
        assert database_opens(running, role, secret(running, "postgres", f"{role}-database"))
    # The LiteLLM that the tests run has no database.
    tenant.check(replaced={"postgres", "openwebui"})
    assert tenant.session.valid, "no session is lost"


def test_the_passwords_of_redis(tenant: Tenant) -> None:
    running = tenant.running
    old = redis_passwords(running)
    assert all(redis_opens(running, *login) for login in old.items())
    revoked = Session.sign_in(running, tenant.login)
    revoked.sign_out()

    tenant.rotate("redis")

    assert not any(redis_opens(running, *login) for login in old.items())
    assert all(redis_opens(running, *login) for login in redis_passwords(running).items())
    tenant.check(replaced={"redis", "litellm", "openwebui"})
    assert tenant.session.valid, "no session is lost"
    assert not revoked.valid, "and none comes back"


def test_the_keys_of_the_gateway(tenant: Tenant) -> None:
    running = tenant.running
    old = {running.key, secret(running, "openwebui", "env/OPENAI_API_KEY")}
    assert len(old) == 2
    assert all(gateway_opens(running, key) for key in old)

    tenant.rotate("litellm")

    assert not any(gateway_opens(running, key) for key in old)
    assert gateway_opens(running, running.key)
    assert "with the new key" in tenant.session.ask("demo-model", "with the new key")
    tenant.check(replaced={"litellm", "openwebui"})


ENROLLED = """
import json
from chat.second_factors import key_of_session_secret
import os
secret = key_of_session_secret(os.environ["WEBUI_SECRET_KEY"]).encrypt(b"JBSWY3DPEHPK3PXP").decode()
print(json.dumps({"secret": secret}))
"""


def test_second_factors_outlive_the_secrets_of_the_chat(tenant: Tenant) -> None:
    """Open WebUI does not start if it cannot read one."""
    running = tenant.running
    stack = RunningStack(docker_address(), running.slug)
    chat_container, printed = stack.existing("openwebui"), StringIO()
    command = chat_command("chat.second_factors")[:-2]
    with redirect_stdout(printed):
        assert stack.run_as_process(chat_container, [*command, "-c", ENROLLED]) == 0
    for statement in (
        f"UPDATE auth SET mfa = '{printed.getvalue()}' WHERE email = '{tenant.login.email}'",
        "INSERT INTO config (key, value, updated_at) VALUES ('auth.mfa.enable', 'true', 0)"
        " ON CONFLICT (key) DO UPDATE SET value = 'true'",
    ):
        assert sql(running, statement)[0] == 0
    chat_container.restart()
    until_healthy(running, "openwebui")
    stored = sql(running, f"SELECT mfa->>'secret' FROM auth WHERE email = '{tenant.login.email}'")
    tenant.rotate("openwebui")
    until_healthy(running, "openwebui")
    question = f"SELECT mfa->>'secret' FROM auth WHERE email = '{tenant.login.email}'"
    assert sql(running, question) == stored
    assert stored[1].strip()
    assert sql(running, "DELETE FROM config WHERE key = 'auth.mfa.enable'")[0] == 0
    chat_container = running.container("openwebui")
    chat_container.restart()
    until_healthy(running, "openwebui")


def sql(running: Running, statement: str) -> tuple[int, str]:
    return running.run("postgres", "psql", "-XqAt", "-d", "openwebui", "-c", statement)


def test_the_secrets_of_the_chat(tenant: Tenant) -> None:
    running = tenant.running
    identity = secret(running, "litellm", "env/OPENWEBUI_JWT_SECRET")

    tenant.rotate("openwebui")

    assert not tenant.session.valid, "everybody logs in again"
    assert Session.sign_in(running, tenant.login).valid
    both = {
        secret(running, "litellm", "env/OPENWEBUI_JWT_SECRET"),
        secret(running, "openwebui", "env/FORWARD_USER_INFO_HEADER_JWT_SECRET"),
    }
    assert len(both) == 1
    assert identity not in both
    tenant.check(replaced={"litellm", "openwebui"})
