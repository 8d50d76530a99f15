"""What belongs to a deployment rather than to a tenant: the config of its Pulumi stack."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pulumi
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from components.litellm_config import provider_key_env
from tenants.model import Tenant
from tenants.problem import in_words
from tenants.text import matching

PROJECT = "cloudfreedom"
LOCAL_DOCKER = "unix:///var/run/docker.sock"
SECRET_KEYS = (f"{PROJECT}:providerKeys", f"{PROJECT}:billingKey")

DockerHost = Annotated[str, *matching(r"(unix|tcp|ssh)://.+", "unix://…, tcp://… or ssh://…")]

Turn = Annotated[int, Field(ge=1)]
"""Counts the values a secret has had: one more is a new value."""


class StackConfigError(ValueError):
    """The stack's config cannot be used; its text is one line a problem."""


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, alias_generator=to_camel, populate_by_name=True
    )


class Rotation(_Section):
    """Raise a number and run `pulumi up` to replace what it stands for.

    There is none for LiteLLM's salt key: what it encrypted could not be read any more.
    """

    postgres: Turn = Field(1, description="Passwords of both database roles")
    redis: Turn = Field(1, description="Password of Redis")
    litellm: Turn = Field(1, description="Master key, Open WebUI's key, and those of programs")
    openwebui: Turn = Field(1, description="Session secret: everybody logs in again")


class StackConfig(_Section):
    """Everything under `cloudfreedom:` in `Pulumi.<stack>.yaml`."""

    docker_host: DockerHost = LOCAL_DOCKER
    images: Literal["official", "built"] = "official"
    image_overrides: dict[str, str] = Field({}, description="Part to full image reference")
    rotation: Rotation = Rotation()
    provider_keys: dict[str, str] = Field({}, repr=False, description="Secrets, by key name")
    billing_key: str = Field("", repr=False, description="Secret: the tenant's at the Billing API")

    def keys_of(self, tenant: Tenant) -> "Keys":
        """The keys of others that the tenant needs, as secrets.

        Raises:
            StackConfigError: with every key that is missing, and how to set it.
        """
        needed = {
            deployment.key_name: model.name
            for model in tenant.litellm.models
            for deployment in model.deployments
        }
        missing = [
            _missing(
                f"model {model} needs the provider key {name!r}",
                f"--path providerKeys.{name}",
                provider_key_env(name),
            )
            for name, model in needed.items()
            if not self.provider_keys.get(name, "").strip()
        ]
        if tenant.billing and not self.billing_key.strip():
            missing.append(_missing("`billing` needs a key", "billingKey", "BILLING_KEY"))
        if missing:
            raise StackConfigError("\n".join(missing))
        return Keys(
            providers={name: pulumi.Output.secret(self.provider_keys[name]) for name in needed},
            billing=pulumi.Output.secret(self.billing_key) if tenant.billing else None,
        )


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys that others gave: the providers', by name, and the Billing API's."""

    providers: Mapping[str, pulumi.Output[str]]
    billing: pulumi.Output[str] | None


def _missing(what: str, setting: str, variable: str) -> str:
    return (
        f"tenants/{pulumi.get_stack()}.yaml: {what}: pulumi config set --secret {setting}"
        f" (or, for an export to Compose, set CLOUDFREEDOM_{variable})"
    )


def read_stack_config() -> StackConfig:
    """The config of the running stack.

    Raises:
        StackConfigError: with every problem.
    """
    prefix = f"{PROJECT}:"
    stored = pulumi.runtime.config.CONFIG.get()
    values = {
        key.removeprefix(prefix): _parsed(value)
        for key, value in stored.items()
        if key.startswith(prefix)
    }
    try:
        return StackConfig.model_validate_json(json.dumps(values))
    except ValidationError as error:
        file = f"Pulumi.{pulumi.get_stack()}.yaml"
        lines = [f"{file}: {_sentence(problem)}" for problem in error.errors(include_input=False)]
        raise StackConfigError("\n".join(lines)) from None


def docker_hosts(project: Path) -> dict[str, str]:
    """The Docker host of each stack that has a tenant, or a file of its own, in the project."""
    hosts = {path.stem: LOCAL_DOCKER for path in (project / "tenants").glob("*.yaml")}
    for path in project.glob("Pulumi.*.yaml"):
        hosts[path.name.split(".")[1]] = _docker_host(path)
    return hosts


def _docker_host(path: Path) -> str:
    # A broken file must not be in the way of other stacks; whoever runs its own is told.
    with suppress(yaml.YAMLError, ValueError, KeyError, TypeError):
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        return str(settings["config"][f"{PROJECT}:dockerHost"])
    return LOCAL_DOCKER


def _parsed(value: str) -> Any:
    # Pulumi hands over objects as JSON and everything else as plain text.
    with suppress(json.JSONDecodeError):
        return json.loads(value) if value.startswith(("{", "[")) else value
    return value


def _sentence(problem: Mapping[str, Any]) -> str:
    # The value is left out: it may be a provider key.
    name = f"{PROJECT}:" + ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        known = Rotation if len(problem["loc"]) > 1 else StackConfig
        return f"{name}: unknown key; known are {', '.join(map(to_camel, known.model_fields))}"
    return f"{name}: {in_words(problem)}"
