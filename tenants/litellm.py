"""The section `litellm`: the models of a tenant, and how they are reached."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from schema.diagnostics import Violation, raise_violations, repeated
from schema.duration import Duration
from schema.text import constrained_str
from schema.types import MEMORY, AppMiB, KeyName, Port, Resources, Section
from tenants.deployment import NAME_PART, Deployment

_DATABASE_MB = 4096


# Of LiteLLM's memory: what it takes by itself under load, and for each byte of a body.
_WITHOUT_BODIES_MB = 512
_TIMES_A_BODY = 11
DEMO_MODEL = "demo-model"
DEMO_EMBEDDING = "demo-embedding"
"""Models of a tenant that has none of its own."""

ModelName = Annotated[
    str,
    *constrained_str(
        rf"{NAME_PART}{{0,63}}(/{NAME_PART}{{0,63}}){{0,3}}",
        "up to 64 letters, digits and . _ : @ + ~ - that begin with a letter or a digit;"
        " a slash may divide up to four of these",
    ),
]


class Strategy(StrEnum):
    """The choice of one of several deployments of a model."""

    WEIGHTED = "weighted"  # in proportion to the weights
    LEAST_BUSY = "least-busy"  # fewest requests under way
    FASTEST = "fastest"  # lowest recent latency


class CacheMode(StrEnum):
    """Whether answers are reused. A cached answer is shared by all users of the tenant."""

    OFF = "off"
    OPT_IN = "opt-in"  # chats only, and each asks for it: {"cache": {"use-cache": true}}
    ON = "on"  # a request can only decline it: {"cache": {"no-cache": true}}


def _switch(value: object) -> object:
    # YAML reads `on` and `off` as booleans, unless they are quoted.
    if isinstance(value, bool):
        return CacheMode.ON if value else CacheMode.OFF
    return value


class Model(Section):
    """A model as users see it, running in one or several places."""

    name: ModelName = Field(description="The name that users and programs ask for")
    deployments: list[Deployment] = Field(min_length=1, description="Where it runs")


class ApiKey(Section):
    """A key for a program, made by the stack."""

    name: KeyName = Field(description="In the name of the output that shows it")
    user: str = Field(
        min_length=1, max_length=254, description="Who pays, as known to the Billing API"
    )
    models: list[ModelName] | None = Field(None, min_length=1, description="All unless given")
    requests_per_minute: int | None = Field(None, ge=1, description="Refused beyond (429)")
    tokens_per_minute: int | None = Field(None, ge=1, description="Refused beyond (429)")


class Routing(Section):
    """Routing, between a request and the deployments of its model."""

    strategy: Strategy = Field(
        Strategy.WEIGHTED,
        description="Which of several deployments is picked: in proportion to the weights, the one"
        " with the fewest requests under way, or the one with the lowest recent latency",
    )
    retries: int = Field(2, ge=0, le=10, description="Tries after a failed one")
    timeout: Duration = Field(
        600, description="Longest wait for each try, and for each pause of a stream"
    )
    allowed_failures: int = Field(
        3,
        ge=0,
        le=1000,
        description="Failures within the cool-down time before a deployment is left out;"
        " a lone one without a fallback never is",
    )
    cooldown: Duration = Field(30, description="How long a failing deployment is left out")


class Cache(Section):
    """Reuse of answers to the same question."""

    mode: Annotated[CacheMode, BeforeValidator(_switch)] = Field(
        CacheMode.OPT_IN,
        description="Which answers are reused: none, those to chats that ask for it, or all but to"
        " requests that decline it; all users of the tenant share them",
    )
    ttl: Duration = Field(3600, description="How long an answer is kept")


class RateLimits(Section):
    """Limits of each person that chats, over all models; beyond: 429."""

    requests_per_minute: int | None = Field(None, ge=1, description="Refused beyond (429)")
    tokens_per_minute: int | None = Field(None, ge=1, description="Refused beyond (429)")


Named = TypeVar("Named", Model, ApiKey)
Fallbacks = dict[ModelName, Annotated[list[ModelName], Field(min_length=1)]]


class LiteLLM(Resources):
    """The model gateway."""

    port: Port = Field(description="Where it listens on the host")
    memory_mb: AppMiB = Field(1024, description=MEMORY)
    max_body_mb: int = Field(
        20,
        ge=1,
        le=200,
        description="Largest body of a request, in MiB; beyond: 413. Each takes 11 MiB of"
        " memory_mb beyond the first 512; without this key it is 20, or less if they are few",
    )
    database: bool = Field(
        False,
        description="Whether LiteLLM keeps its own log of requests in PostgreSQL, for 30 days;"
        " it needs an official image and 4096 MiB, which is its default then",
    )
    models: list[Model] = Field(
        [], description="Without any, the tenant gets one built-in demonstration model"
    )
    fallbacks: Fallbacks = Field({}, description="Models to try, in order, on an error")
    context_window_fallbacks: Fallbacks = Field(
        {}, description="Models to try when the prompt is too long"
    )
    routing: Routing = Routing()
    cache: Cache = Cache()
    rate_limits: RateLimits = RateLimits()
    keys: list[ApiKey] = Field([], description="Keys for programs")

    @model_validator(mode="after")
    def _has_memory_for_its_database(self) -> Self:
        if not self.database or self.memory_mb >= _DATABASE_MB:
            return self
        if "memory_mb" in self.model_fields_set:
            allowed = f"at least {_DATABASE_MB}, which LiteLLM asks for with a database"
            raise_violations([Violation(("memory_mb",), self.memory_mb, allowed)])
        return self.model_copy(update={"memory_mb": _DATABASE_MB})

    @model_validator(mode="after")
    def _has_memory_for_its_largest_body(self) -> Self:
        largest = max(1, (self.memory_mb - _WITHOUT_BODIES_MB) // _TIMES_A_BODY)
        if self.max_body_mb <= largest:
            return self
        if "max_body_mb" in self.model_fields_set:
            allowed = f"at most {largest} with memory_mb = {self.memory_mb}"
            raise_violations([Violation(("max_body_mb",), self.max_body_mb, allowed)])
        return self.model_copy(update={"max_body_mb": largest})

    @property
    def body_memory_mb(self) -> int:
        """Bytes that the bodies of all requests under way may take together."""
        return max(self.memory_mb - _WITHOUT_BODIES_MB, self.max_body_mb * _TIMES_A_BODY)

    @property
    def provider_key_names(self) -> dict[str, str]:
        """The keys of providers that it needs, each with the name of a model that needs it."""
        return {
            deployment.key_name: model.name
            for model in self.models
            for deployment in model.deployments
            if deployment.key_name
        }

    @property
    def model_names(self) -> list[str]:
        """Models that users and programs may ask for."""
        return _names(self.models)

    @field_validator("models", "keys")
    @classmethod
    def _names_differ(cls, named: list[Named]) -> list[Named]:
        raise_violations(repeated((each.name for each in named), "name", "a name not used above"))
        return named

    @field_validator("fallbacks", "context_window_fallbacks")
    @classmethod
    def _lead_to_other_models(cls, fallbacks: Fallbacks, info: ValidationInfo) -> Fallbacks:
        if "models" in info.data:  # else they are refused themselves
            raise_violations(
                _unknown_models(fallbacks, {model.name for model in info.data["models"]})
            )
        return fallbacks

    @field_validator("keys")
    @classmethod
    def _open_models_of_this_file(cls, keys: list[ApiKey], info: ValidationInfo) -> list[ApiKey]:
        if "models" in info.data:  # else they are refused themselves
            names = _names(info.data["models"])
            raise_violations(
                Violation((number, "models", index), name, _known(names))
                for number, key in enumerate(keys)
                for index, name in enumerate(key.models or [])
                if name not in names
            )
        return keys


def _names(models: list[Model]) -> list[str]:
    return [model.name for model in models] or [DEMO_MODEL, DEMO_EMBEDDING]


def _known(names: Iterable[str]) -> str:
    return f"a model of this file ({', '.join(sorted(names)) or 'there is none'})"


def _unknown_models(fallbacks: Fallbacks, names: set[str]) -> Iterator[Violation]:
    known = _known(names)
    for model, others in fallbacks.items():
        if model not in names:
            yield Violation((model,), "", known)
        for index, other in enumerate(others):
            if other not in names - {model}:
                yield Violation((model, index), other, f"{known}, another one")
