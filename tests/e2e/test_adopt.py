"""A deployment of the original template, filled by people, becomes a tenant."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from docker import DockerClient

from cli.adopt.data import OldData
from cli.adopt.steps import make_room
from cli.adopt.template import read_template
from cli.adopt.tenant_file import adopt_files
from cli.environment import compose_command, docker_address
from cli.running import RunningStack
from components.services.openwebui import chat_command
from images.catalog import load_catalog
from schema.errors import UserError
from tests.e2e.conftest import Running, running
from tests.e2e.project import Project, free_ports
from tests.e2e.waiting import until
from tests.e2e.webui import Login, Session, admin

PASSWORD = secrets.token_hex(8)

# The official images are out of reach; these are the same programs.
COMPOSE = """
services:
  postgres:
    image: {postgres}
    container_name: ${{TENANT_SLUG}}-postgres
    user: "999:999"
    entrypoint: [sh, -ec]
    command:
      - |
        export PGDATA=/var/lib/postgresql/data/pgdata
        if ! [ -d $$PGDATA ]; then
          echo $$POSTGRES_PASSWORD > /tmp/password
          initdb --username $$POSTGRES_USER --auth trust --pwfile /tmp/password
          echo host all all all scram-sha-256 >> $$PGDATA/pg_hba.conf
        fi
        exec postgres -c listen_addresses=*
    environment:
      POSTGRES_USER: cloudfreedom
      POSTGRES_PASSWORD: {password}
      POSTGRES_DB: cloudfreedom_${{TENANT_SLUG}}
    volumes: [postgres_data:/var/lib/postgresql/data]
    networks: [cloudfreedom-network]
  redis:
    image: {redis}
    container_name: ${{TENANT_SLUG}}-redis
    command: [valkey-server]
    networks: [cloudfreedom-network]
  litellm:
    image: {redis}
    container_name: ${{TENANT_SLUG}}-litellm
    command: [valkey-server, --config, /app/config.yaml]
    entrypoint: [sleep, "600"]
    environment:
      LITELLM_MASTER_KEY: ${{LITELLM_MASTER_KEY}}
      OPENAI_API_KEY: ${{OPENAI_API_KEY}}
    volumes: ["./litellm-config.yaml:/app/config.yaml"]
    ports: ["${{LITELLM_PORT}}:4000"]
    networks: [cloudfreedom-network]
  openwebui:
    image: {openwebui}
    container_name: ${{TENANT_SLUG}}-openwebui
    environment:
      DATABASE_URL: postgresql+psycopg://cloudfreedom:{password}@postgres:5432/cloudfreedom_${{TENANT_SLUG}}
      WEBUI_SECRET_KEY: an old secret
      ENABLE_SIGNUP: "true"
      OFFLINE_MODE: "true"
      BYPASS_EMBEDDING_AND_RETRIEVAL: "true"
      OPENAI_API_BASE_URL: http://litellm:4000/v1
    volumes: [openwebui_data:/app/backend/data]
    ports: ["127.0.0.1:${{OPENWEBUI_PORT}}:8080"]
    restart: unless-stopped
    networks: [cloudfreedom-network]
volumes: {{postgres_data: , openwebui_data: }}
networks: {{cloudfreedom-network: }}
"""
ENV = """
# of a customer
TENANT_SLUG={slug}
TENANT_NAME="ACME GmbH"
LITELLM_PORT={api}
OPENWEBUI_PORT={web}
ENABLE_SIGNUP=true
OPENAI_API_KEY=sk-openai
ANTHROPIC_API_KEY=
GOOGLE_API_KEY=
LITELLM_MASTER_KEY=sk-master
POCKETBASE_URL=http://pocketbase:8090
BILLING_API_URL=
BILLING_API_KEY=
"""
LITELLM = """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 60}
  - model_name: anything
    litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_API_KEY}
litellm_settings: {drop_params: true}
"""
# LiteLLM's own of these, in the same database.
SPEND = """
CREATE TABLE "LiteLLM_SpendLogs" (request_id text PRIMARY KEY, spend float8);
CREATE VIEW "MonthlyGlobalSpend" AS SELECT sum(spend) FROM "LiteLLM_SpendLogs";
CREATE TABLE _prisma_migrations (id text PRIMARY KEY);
INSERT INTO "LiteLLM_SpendLogs" SELECT number::text, 0.1 FROM generate_series(1, 1000) AS number;
INSERT INTO tool (id, user_id, name, content, specs, meta, created_at, updated_at)
    SELECT 'shell', id, 'shell', 'import os', '[]', '{}', 0, 0 FROM "user";
INSERT INTO function (id, user_id, name, type, content, meta, created_at, updated_at, is_active)
    SELECT 'pipe', id, 'pipe', 'pipe', 'import os', '{}', 0, 0, true FROM "user";
"""


@dataclass(frozen=True)
class Deployment:
    """A deployment of the template that is up."""

    folder: Path
    slug: str
    chat: str

    @property
    def env(self) -> Path:
        return self.folder / ".env"

    @property
    def file(self) -> Path:
        return self.folder / "docker-compose.yml"

    def compose(self, *arguments: str) -> None:
        call = [*(compose_command() or ()), "--project-directory", str(self.folder)]
        call += ["--env-file", str(self.env), "--file", str(self.file), *arguments]
        subprocess.run(call, check=True)


@pytest.fixture
def deployed(engine: DockerClient, tmp_path: Path) -> Iterator[Deployment]:
    folder = tmp_path / f"template-{secrets.token_hex(3)}"
    folder.mkdir()
    slug, (web, api) = f"o{secrets.token_hex(3)}", free_ports(2)
    images = {name: image.reference for name, image in load_catalog("built").running.items()}
    (folder / "docker-compose.yml").write_text(COMPOSE.format(password=PASSWORD, **images))
    (folder / ".env").write_text(ENV.format(slug=slug, api=api, web=web))
    (folder / "litellm-config.yaml").write_text(LITELLM)
    up = Deployment(folder, slug, f"http://127.0.0.1:{web}")
    try:
        up.compose("up", "--detach", "postgres", "redis", "litellm")
        command = ["createdb", "--username", "cloudfreedom", f"cloudfreedom_{slug}"]
        postgres = engine.containers.get(f"{slug}-postgres")
        until(lambda: postgres.exec_run(command).exit_code == 0)
        up.compose("up", "--detach", "openwebui")
        yield up
    finally:
        up.compose("down", "--volumes", "--timeout", "1")


def sign_up(chat: str, login: Login) -> Session:
    until(lambda: answers(f"{chat}/health"), seconds=180)
    reply = httpx.post(f"{chat}/api/v1/auths/signup", json=vars(login), timeout=60)
    return Session(chat, reply.raise_for_status().json()["token"])


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


@pytest.mark.usefixtures("on_one_way")
def test_people_find_their_chats_in_the_tenant(
    deployed: Deployment, engine: DockerClient, project: Project, toolchain_name: str
) -> None:
    person = Login.new()
    session = sign_up(deployed.chat, person)
    session.keep("an old chat")
    before = session.history()
    old = engine.containers.get(f"{deployed.slug}-postgres")
    script = ["psql", "-U", "cloudfreedom", "-d", f"cloudfreedom_{deployed.slug}", "-c", SPEND]
    result = old.exec_run(script)
    assert result.exit_code == 0, result.output
    chat = engine.containers.get(f"{deployed.slug}-openwebui")
    chat.exec_run(["sh", "-c", "echo kept > /app/backend/data/uploads/file.txt"])

    template = read_template(deployed.env, deployed.file)
    found = adopt_files(template)
    assert found.keys == {"providerKeys.openai": "sk-openai"}
    stop, *renames = make_room(template, deployed.env, deployed.file)
    subprocess.run(stop, shell=True, check=True, cwd=os.sep)
    for line in renames:  # Docker's own command line may not be here
        before_name, after_name = line.removeprefix("docker rename ").split()
        engine.containers.get(before_name).rename(after_name)
    with running(engine, project, toolchain_name, [found.file]) as [tenant]:
        data = OldData(
            template=template,
            stack=RunningStack(docker_address(), tenant.slug),
            images="built",
            report=print,
        )
        moved = data.move()
        assert moved["counts"] == {"accounts": 1, "chats": 1, "tools": 1, "functions": 1}
        mine = Session.sign_in(tenant, person)
        assert mine.history() == before
        assert mine.who().json()["role"] == "admin"
        assert lines(tenant, "SELECT count(*) FROM tool UNION SELECT count(*) FROM function") == "0"
        relations = "SELECT count(*) FROM pg_class WHERE relname ~ 'LiteLLM|Spend|prisma'"
        assert lines(tenant, relations) == "0"
        file = tenant.run("openwebui", "cat", "/app/backend/data/uploads/file.txt")
        assert file == (0, "kept\n")
        code, _ = tenant.run(
            "openwebui",
            *tenant.container("openwebui").attrs["Config"]["Entrypoint"],
            "--",
            *chat_command("chat.first_admin"),
        )
        assert code == 0
        assert Session.sign_in(tenant, admin(tenant)).valid
        assert old.exec_run([*script[:-1], "SELECT 1 FROM chat"]).exit_code == 0
        with pytest.raises(UserError, match="has chats already"):
            data.move()


def lines(tenant: Running, question: str) -> str:
    command = ["psql", "-XqAt", "-d", "openwebui", "-c", question]
    return tenant.run("postgres", *command)[1].strip()
