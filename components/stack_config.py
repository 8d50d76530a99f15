"""What belongs to a deployment rather than to a tenant or a core: the config of its stack."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pulumi
import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel

from components.litellm_config import provider_key_env
from images.catalog import ImageSource
from schema.diagnostics import in_words, masked
from schema.errors import UserError
from schema.text import constrained_str
from schema.types import DOLLAR, Currency, UsdRate
from schema.yaml_file import section
from tenants.model import Tenant

PROJECT = "cloudfreedom"
LOCAL_DOCKER = "unix:///var/run/docker.sock"
SECRET_KEYS = ("providerKeys", "billingKey", "loginSecret")
_CORE = "pulumi config set core organization/PROJECT/STACK, or "

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
        r"|[^/]+/[^/]+/[^/]+", "organization/PROJECT/STACK, as `pulumi stack ls --all` names it"
    ),
]


def _counted(value: object) -> object:
    # `pulumi config set` writes some numbers as texts.
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value


Turn = Annotated[int, BeforeValidator(_counted), Field(ge=1)]
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

    postgres: Turn = Field(1, description="Passwords of both database roles")
    redis: Turn = Field(1, description="Passwords of the three users of Redis")
    litellm: Turn = Field(1, description="Master key, Open WebUI's key, and those of programs")
    openwebui: Turn = Field(1, description="Session secret: everybody logs in again")


class Deployment(Section):
    """Where anything is deployed, and from which images."""

    docker_host: DockerHost = LOCAL_DOCKER
    images: ImageSource = "official"
    image_overrides: dict[str, str] = Field({}, description="Part to full image reference")
    registries: list[Registry] = Field(
        [], description="Registries whose login is the Docker CLI's own (`docker login`)"
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

    def keys_of(self, tenant: Tenant, core: "CoreKeys | None" = None) -> "Keys":
        """The keys of others that the tenant needs, as secrets.

        Args:
            tenant: whose.
            core: gives the key of the Billing API and the secret of the login where the config
                does not.

        Raises:
            StackConfigError: with every key that is missing, and how to set it.
        """
        needed = {
            deployment.key_name: model.name
            for model in tenant.litellm.models
            for deployment in model.deployments
            if deployment.key_name
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
        billing = _given(self.billing_key) or (core.billing if core else None)
        login = _given(self.login_secret) or (core.login if core else None)
        if tenant.billing and not billing:
            missing.append(_missing("`billing` needs a key", "billingKey", "BILLING_KEY", _CORE))
        if tenant.login and not login:
            missing.append(_missing("`login` needs a secret", "loginSecret", "LOGIN_SECRET", _CORE))
        if missing:
            raise StackConfigError("\n".join(missing))
        return Keys(
            providers={name: pulumi.Output.secret(self.provider_keys[name]) for name in needed},
            billing=billing if tenant.billing else None,
            login=login if tenant.login else None,
        )


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys that others gave: the providers', by name, the Billing API's, the login's."""

    providers: Mapping[str, pulumi.Output[str]]
    billing: pulumi.Output[str] | None
    login: pulumi.Output[str] | None


@dataclass(frozen=True, kw_only=True)
class CoreKeys:
    """What a core has made for one tenant, and what its amounts are in."""

    billing: pulumi.Output[str]
    login: pulumi.Output[str]
    currency: str | None = None
    usd_rate: UsdRate | None = None


def core_keys(stack: str, slug: str) -> CoreKeys:
    """What the core of another stack has made for the tenant `slug`.

    Raises:
        StackConfigError: the core is not there, is not up, or cannot be read.
    """
    try:
        answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": stack})
    except Exception as error:  # noqa: BLE001 - the SDK has no narrower one
        raise StackConfigError(_no_core(stack, _unreadable(str(error)))) from None
    return keys_in(answer.value["outputs"], slug, stack)


def keys_in(outputs: Mapping[str, Any], slug: str, stack: str) -> CoreKeys:
    """The keys of the tenant `slug` in a core's outputs.

    Raises:
        StackConfigError: they are not there, or are encrypted with another passphrase.
    """
    if "tenants" not in outputs:
        raise StackConfigError(_no_core(stack, "is not up yet: `pulumi up` it first"))
    known = outputs["tenants"].get(slug)
    if known is None:
        problem = f"has no tenant {slug!r}: add it to the core's file and `pulumi up` the core"
        raise StackConfigError(_no_core(stack, problem))
    billing, login = known["billing_key"], known["login_secret"]
    if not isinstance(billing, str) or not isinstance(login, str):  # Pulumi hands over {} then
        problem = "has another passphrase, so its secrets cannot be read: give both stacks the same"
        raise StackConfigError(_no_core(stack, problem))
    rate = known.get("usd_rate")
    return CoreKeys(
        billing=pulumi.Output.secret(billing),
        login=pulumi.Output.secret(login),
        # A core that was brought up by an earlier version says neither.
        currency=known.get("currency"),
        usd_rate=UsdRate.model_validate_json(json.dumps(rate)) if rate else None,
    )


def _unreadable(error: str) -> str:
    if "unknown stack" in error:
        return "is not in this backend: `pulumi stack ls --all` lists the stacks that are"
    return f"cannot be read: {error}"


def _no_core(stack: str, problem: str) -> str:
    return (
        f"Pulumi.{pulumi.get_stack()}.yaml: {PROJECT}:core: the core {stack} {problem}."
        " A core elsewhere: `pulumi config rm core`, and give its keys by value:"
        " `pulumi config set --secret billingKey`, `pulumi config set --secret loginSecret`,"
        " with its `currency` and `usdRate` beside them"
    )


def _given(key: str) -> pulumi.Output[str] | None:
    return pulumi.Output.secret(key) if key.strip() else None


def _missing(what: str, setting: str, variable: str, other: str = "") -> str:
    return (
        f"tenants/{pulumi.get_stack()}.yaml: {what}: {other}pulumi config set --secret {setting}"
        f" (or, for an export to Compose, set CLOUDFREEDOM_{variable})"
    )


def read_stack_config(model: type[_Config]) -> _Config:
    """The config of the running stack.

    Raises:
        StackConfigError: with every problem.
    """
    prefix = f"{pulumi.get_project()}:"
    settings = pulumi.runtime.config.CONFIG.get()
    values = {
        key.removeprefix(prefix): _parsed(value)
        for key, value in settings.items()
        if key.startswith(prefix)
    }
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        file = f"Pulumi.{pulumi.get_stack()}.yaml"
        problems = error.errors(include_input=False)
        lines = [f"{file}: {prefix}{masked(_sentence(problem, model))}" for problem in problems]
        raise StackConfigError("\n".join(lines)) from None


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
