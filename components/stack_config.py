"""The config of a stack: all that belongs to a deployment and not to the tenant's file."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from images.catalog import ImageSource
from schema.diagnostics import in_words, masked
from schema.errors import UserError
from schema.text import constrained_str
from schema.types import DOLLAR, MEMORY, Currency, MiB, Resources, UsdRate
from schema.yaml_file import section

PROJECT = "cloudfreedom"
LOCAL_DOCKER = "unix:///var/run/docker.sock"
SECRET_KEYS = ("providerKeys", "billingKey", "loginSecret", "backupCredentials")

DockerHost = Annotated[
    str, *constrained_str(r"(unix|tcp|ssh)://.+", "unix://…, tcp://… or ssh://…")
]

Registry = Annotated[
    str,
    *constrained_str(
        r"[A-Za-z0-9.\-]+(:[0-9]+)?", "a registry's host, such as registry.example.com"
    ),
]

CoreStackName = Annotated[
    str,
    *constrained_str(
        r"([^/]+/[^/]+/[^/]+)?", "organization/PROJECT/STACK, as `pulumi stack ls --all` names it"
    ),
]


Repository = Annotated[
    str,
    *constrained_str(
        r"/.+|sftp:.+@.+|s3:https?://.+|rest:https?://.+",
        "an absolute path of the Docker host, sftp:…, s3:https://… or rest:https://…",
    ),
]


def _cron(schedule: str) -> str:
    try:
        CronSim(schedule, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        allowed = "five fields as cron has them, such as `30 2 * * *`"
        raise ValueError(f"{allowed} ({error})") from None
    return schedule


Schedule = Annotated[str, AfterValidator(_cron)]


def _counted(value: object) -> object:
    # `pulumi config set` writes some numbers as texts.
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value


Generation = Annotated[int, Field(ge=1), BeforeValidator(_counted)]
"""Counts the values a secret has had: one more is a new value."""


_Config = TypeVar("_Config", bound="Section")


class StackConfigError(UserError):
    """The stack's config cannot be used; its text is one line a problem."""


class Section(BaseModel):
    """A part of the config: unknown keys and silent conversions are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, alias_generator=to_camel, populate_by_name=True
    )


class Rotation(Section):
    """Raise a number and run `pulumi up` to replace what it stands for.

    There is none for LiteLLM's salt key: what it encrypted could not be read any more.
    """

    postgres: Generation = Field(1, description="Passwords of all database roles")
    redis: Generation = Field(1, description="Passwords of all users of Redis")
    litellm: Generation = Field(
        1, description="Master key, Open WebUI's key, and those of programs"
    )
    openwebui: Generation = Field(1, description="Session secret: everybody logs in again")


Credential = Literal[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "RESTIC_REST_USERNAME",
    "RESTIC_REST_PASSWORD",
    "SSH_KEY",
]
"""A name as restic has it; `SSH_KEY` is a private key for `sftp:`."""


class Keep(Section):
    """Sets that are kept; the newest of each period counts."""

    last: int = Field(3, ge=1, description="The newest, whenever they were made")
    daily: int = Field(7, ge=0, description="Days")
    weekly: int = Field(5, ge=0, description="Weeks")
    monthly: int = Field(12, ge=0, description="Months")


class Backups(Resources):
    """Backups of the stack: where, when, and how many."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    repository: Repository = Field(
        description="Of restic, for this stack alone: a folder of the Docker host, or"
        " `sftp:user@host:/path`, `s3:https://host/bucket/path`, `rest:https://host/path`"
    )
    schedule: Schedule = Field("30 2 * * *", description="Of backups, as cron has it, in UTC")
    proofs: Schedule = Field(
        "0 4 * * 0", description="Of restoring the newest set beside nothing, in UTC"
    )
    keep: Keep = Keep()
    append_only: bool = Field(
        default=False, description="The repository lets nothing be deleted: old sets stay"
    )
    upload_kib: int = Field(0, ge=0, description="Most KiB sent a second; 0 is no limit")
    known_hosts: list[str] = Field(
        [], description="For `sftp:`, lines as `ssh-keyscan` prints them"
    )
    memory_mb: MiB = Field(512, description=MEMORY)

    @property
    def needs(self) -> Sequence[Credential]:
        """Credentials that the repository cannot be used without."""
        if self.repository.startswith("s3:"):
            return ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return ("SSH_KEY",) if self.repository.startswith("sftp:") else ()

    @model_validator(mode="after")
    def _knows_its_host(self) -> Self:
        if self.repository.startswith("sftp:") and not self.known_hosts:
            raise ValueError("`knownHosts` beside `sftp:`, lines as `ssh-keyscan HOST` prints them")
        return self


class Deployment(Section):
    """The Docker host of a deployment, and its images."""

    docker_host: DockerHost = Field(LOCAL_DOCKER, description="The Docker host that runs it")
    images: ImageSource = Field(
        "official",
        description="Images from their makers' registries, or equal ones built from packages",
    )
    image_overrides: dict[str, str] = Field(
        {}, description="Full image reference, with its version, by service"
    )
    registries: list[Registry] = Field(
        [], description="Registries whose login is the Docker CLI's own (`docker login`)"
    )
    backup: Backups | None = Field(None, description="Backups; without it there are none")
    backup_credentials: dict[Credential, str] = Field(
        {}, repr=False, description="Secrets of the repository, by their name at restic"
    )


class StackConfig(Deployment):
    """Everything under `cloudfreedom:` in `Pulumi.<stack>.yaml`."""

    rotation: Rotation = Rotation()
    provider_keys: dict[str, str] = Field({}, repr=False, description="Secrets, by key name")
    billing_key: str = Field("", repr=False, description="Secret: the tenant's at the Billing API")
    login_secret: str = Field("", repr=False, description="Secret: the chat's at `login.issuer`")
    core: CoreStackName = Field("", description="Stack that has the two above, if they are not set")
    currency: Currency | None = Field(
        None, description="Of the core that gave the keys by value; with `core`, that says it"
    )
    usd_rate: UsdRate | None = Field(None, description="Of the core that gave the keys by value")

    @field_validator("usd_rate")
    @classmethod
    def _rate_has_a_currency(cls, rate: UsdRate | None, info: ValidationInfo) -> UsdRate | None:
        if rate and info.data.get("currency", "") in (None, DOLLAR):
            raise ValueError(f"nothing, or `currency` beside it, which is not {DOLLAR}")
        return rate


def parse_stack_config(
    model: type[_Config], settings: Mapping[str, str], *, project: str, stack: str
) -> _Config:
    """The config of a stack.

    Args:
        model: of the config.
        settings: by key, as Pulumi hands them over: text, or JSON for anything else.
        project: name of the Pulumi project.
        stack: name of the stack.

    Raises:
        StackConfigError: with every problem.
    """
    values = {key: _parsed(value) for key, value in settings.items()}
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        place = f"Pulumi.{stack}.yaml: {project}:"
        problems = error.errors(include_input=False)
        lines = [f"{place}{masked(_sentence(problem, model))}" for problem in problems]
        raise StackConfigError("\n".join(lines)) from None


def plain_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings that are not secret."""
    return {key: value for key, value in settings.items() if key not in SECRET_KEYS}


def docker_hosts(project: Path) -> dict[str, str]:
    """The Docker host of each stack that has a tenant, or a file of its own, in the project."""
    hosts = {path.stem: LOCAL_DOCKER for path in (project / "tenants").glob("*.yaml")}
    for path in project.glob("Pulumi.*.yaml"):
        address = stored(path, f"{PROJECT}:dockerHost")
        hosts[path.name.split(".")[1]] = address or LOCAL_DOCKER
    return hosts


def stored(path: Path, key: str) -> str | None:
    """A plain text in a stack's config file.

    A broken file must not be in the way of other stacks; a command on its own says what is wrong.
    """
    broken = (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
    with suppress(OSError, *broken):
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        return str(settings["config"][key])
    return None


def _parsed(value: str) -> Any:
    # Pulumi hands over objects as JSON and everything else as plain text.
    with suppress(json.JSONDecodeError):
        return json.loads(value) if value.startswith(("{", "[")) else value
    return value


def _sentence(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    # The value is left out: it may be a provider key.
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        known = ", ".join(map(to_camel, section(problem["loc"][:-1], model).model_fields))
        return f"{name}: unknown key; known are {known}"
    return f"{name}: {in_words(problem)}"
