"""A deployment of the original Compose template, as its two files describe it."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from cli.environment import compose_command
from components.spec import stack_name
from schema.diagnostics import in_words
from schema.errors import UserError
from schema.types import Slug

Json = dict[str, Any]

SERVICES = ("litellm", "openwebui", "postgres", "redis")
_VARIABLES = (
    *("TENANT_SLUG", "TENANT_NAME", "LITELLM_PORT", "OPENWEBUI_PORT", "ENABLE_SIGNUP"),
    *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "LITELLM_MASTER_KEY"),
    *("POCKETBASE_URL", "BILLING_API_URL", "BILLING_API_KEY"),
)
_CHAT_DATA = "/app/backend/data"


@dataclass(frozen=True, kw_only=True)
class Template:
    """A deployment of the template.

    Attributes:
        project: of Compose.
        variables: of its `.env`, those that the template knows.
        services: as Compose understands them.
        volumes: names on the Docker host, by their name in the Compose file.
        slug: that the tenant gets.
    """

    project: str
    variables: Mapping[str, str]
    services: Mapping[str, Json]
    volumes: Mapping[str, str]
    slug: str

    @property
    def chat_volume(self) -> str:
        """Volume or folder of the chat's files on the Docker host.

        Raises:
            UserError: the chat has none.
        """
        for mount in self.services["openwebui"].get("volumes") or []:
            if mount["target"] == _CHAT_DATA:
                source = str(mount.get("source", ""))
                return self.volumes.get(source, source)
        raise UserError(f"openwebui: nothing is mounted at {_CHAT_DATA}, where its data would be")

    @property
    def database(self) -> str:
        """Name of the database that the chat uses.

        Raises:
            UserError: it uses none of PostgreSQL.
        """
        url = urlsplit(self.environment("openwebui").get("DATABASE_URL", ""))
        if not url.scheme.startswith("postgres") or url.hostname != "postgres":
            raise UserError(
                "openwebui: DATABASE_URL does not lead to the service postgres: its chats are"
                " elsewhere, where they cannot be taken from"
            )
        return url.path.strip("/")

    def container(self, service: str) -> str:
        """Name of the container of a service, as Compose makes it."""
        named = self.services[service].get("container_name")
        return str(named or f"{self.project}-{service}-1")

    def environment(self, service: str) -> dict[str, str]:
        """Variables of a service."""
        found = self.services[service].get("environment") or {}
        return {name: str(value) for name, value in found.items() if value is not None}

    @property
    def litellm_config(self) -> Path | None:
        """The file that is mounted as LiteLLM's configuration, if there is one."""
        service = self.services["litellm"]
        command = service.get("command") or []
        named = [after for flag, after in pairwise(command) if flag == "--config"]
        for mount in service.get("volumes") or []:
            if mount["target"] in named or str(mount["target"]).endswith((".yaml", ".yml")):
                return Path(mount["source"])
        return None


def read_template(env: Path, compose: Path, *, slug: str = "") -> Template:
    """Read a deployment of the template.

    Args:
        env: its `.env`.
        compose: its `docker-compose.yml`.
        slug: that the tenant gets instead of the template's.

    Raises:
        UserError: one cannot be read, or is not of the template; with all that is missing.
    """
    if missing := [path for path in (env, compose) if not path.is_file()]:
        raise UserError("\n".join(f"{path}: there is no such file" for path in missing))
    # What Compose would understand, it is asked for: quotes, comments and defaults are its own.
    asked = {name: f"${{{name}:-}}" for name in _VARIABLES}
    service = {"image": "none", "environment": asked}
    variables = _config(env, "-", json.dumps({"services": {"template": service}}))
    config = _config(env, str(compose), "")
    known = variables["services"]["template"]["environment"]
    template = Template(
        project=str(config["name"]),
        variables=known,
        slug=slug or known["TENANT_SLUG"],
        services=config.get("services") or {},
        volumes={
            name: str(volume["name"]) for name, volume in (config.get("volumes") or {}).items()
        },
    )
    if problems := [*_problems(template, env, compose)]:
        raise UserError("\n".join(problems))
    return template


def _problems(template: Template, env: Path, compose: Path) -> list[str]:
    needed = ("TENANT_SLUG", "LITELLM_PORT", "OPENWEBUI_PORT")
    empty = [f"{env}: {name} is not set" for name in needed if not template.variables[name]]
    found = ", ".join(sorted(template.services)) or "none"
    absent = [
        f"{compose}: the service {name} of the template is absent or has another name; there are"
        f" {found}. Give it its old name in a copy of the file"
        for name in SERVICES
        if name not in template.services
    ]
    own = {stack_name(template.slug, service) for service in SERVICES}
    taken = [
        f"{compose}: the volume {name} has the name of one of the tenant's own: give the tenant"
        " another name, by --slug"
        for name in sorted(own.intersection(template.volumes.values()))
    ]
    return [*empty, *absent, *taken, *_slug_problems(template.slug)]


def _slug_problems(slug: str) -> list[str]:
    """The name becomes that of files, so it is looked at before any is written."""
    try:
        TypeAdapter(Slug).validate_python(slug)
    except ValidationError as error:
        said = "; ".join(in_words(each) for each in error.errors(include_url=False))
        return [f"TENANT_SLUG, or --slug, is {slug!r}: {said}"] if slug else []
    return []


def _config(env: Path, compose: str, stdin: str) -> Json:
    command = compose_command()
    if not command:
        raise UserError("Docker Compose is needed to read the template's files, and is not here")
    arguments = ["--env-file", str(env), "--file", compose, "config", "--format", "json"]
    return _parsed([*command, *arguments], stdin)


def _parsed(call: Sequence[str], stdin: str) -> Json:
    finished = subprocess.run(call, check=False, input=stdin, capture_output=True, text=True)
    if finished.returncode:
        raise UserError(f"Docker Compose cannot read it: {finished.stderr.strip()}")
    parsed: Json = json.loads(finished.stdout)
    return parsed
