"""What a tenant is: the shape of one file in `tenants/`, with every default.

The descriptions below are the documentation of the file: `schema.json`, which editors
read, is generated from them.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    IPvAnyAddress,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tenants.duration import Duration
from tenants.prices import price_problem
from tenants.problem import NEEDED, Finding, refuse, repeated
from tenants.text import matching

NO_KEY = "none"
_DATABASE_MB = 4096

# Of LiteLLM's memory: what it takes by itself under load, and for each byte of a body.
_WITHOUT_BODIES_MB = 512
_TIMES_A_BODY = 11

DEMO_MODEL = "demo-model"
DEMO_EMBEDDING = "demo-embedding"
"""What a tenant without a model of its own gets."""

Port = Annotated[int, Field(ge=1024, le=65535)]
MiB = Annotated[int, Field(ge=64, le=262_144)]
AppMiB = Annotated[int, Field(ge=512, le=262_144)]
"""Of LiteLLM and Open WebUI, which are killed while they start with less."""
Cpus = Annotated[Decimal, Field(ge=Decimal("0.1"), le=Decimal(64), decimal_places=1)]
Slug = Annotated[
    str,
    *matching(
        r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?",
        "up to 30 small letters, digits and dashes, starting with a letter",
    ),
]
KeyName = Annotated[
    str, *matching(r"[a-z][a-z0-9-]{0,30}", "up to 31 small letters, digits and dashes")
]
_PART = r"[A-Za-z0-9][A-Za-z0-9._:@+~-]"
ModelName = Annotated[
    str,
    *matching(
        rf"{_PART}{{0,63}}(/{_PART}{{0,63}}){{0,3}}",
        "up to 64 letters, digits and . _ : @ + ~ - that begin with a letter or a digit;"
        " a slash may divide up to four of these",
    ),
]
UrlPath = Annotated[str, *matching(r"/[A-Za-z0-9._~/-]*", "a path that starts with /")]
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = rf"({_LABEL}\.)*{_LABEL}"


def _ascii(name: object) -> object:
    """A name as the network writes it: `chat.пример` is `chat.xn--e1afmkfd`."""
    if isinstance(name, str) and not name.isascii():
        with suppress(UnicodeError):
            return name.lower().encode("idna").decode()
    return name


Domain = Annotated[
    str,
    BeforeValidator(_ascii),
    *matching(
        rf"({_LABEL}\.)+([a-z]{{2,63}}|xn--[a-z0-9-]{{2,59}})",
        "a full domain name in small letters, such as chat.example.com",
    ),
]


def _chat_name(text: str) -> str:
    """A host with or without a port, as a browser sends it."""
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]+)(?::([0-9]{1,5}))?", text)
    host = _host(found[1]) if found else ""
    if not found or not host or not 0 < int(found[2] or 1) <= 65_535:  # noqa: PLR2004
        raise ValueError(
            "a name or an address that people open the chat at, in small letters, with the port"
            " where the browser shows one: chat.example.com, 192.0.2.7:3000, [2001:db8::1]:3000"
        )
    return host + (f":{found[2]}" if found[2] else "")


def _host(text: str) -> str:
    """A host in the form that browsers send; empty if it is none."""
    with suppress(ValueError):
        address = ip_address(text.strip("[]"))
        return url_host(address) if text.startswith("[") == (address.version == 6) else ""  # noqa: PLR2004
    last = text.rpartition(".")[2]
    return text if re.fullmatch(_HOST_NAME, text) and not last.isdigit() else ""


ChatName = Annotated[str, BeforeValidator(_ascii), AfterValidator(_chat_name)]


class Provider(StrEnum):
    """Provider of a model, by LiteLLM's name: those that need a key and an address at most."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    DEEPSEEK = "deepseek"
    GROQ = "groq"
    HOSTED_VLLM = "hosted_vllm"
    MISTRAL = "mistral"
    OPENROUTER = "openrouter"
    XAI = "xai"


_OLLAMA = (
    "openai/MODEL with api_base: http://host.docker.internal:11434/v1, for Ollama speaks OpenAI"
)
_VERTEX = "gemini/MODEL with a key of Google AI Studio, for Vertex AI needs a service account"
_BEDROCK = (
    "openai/MODEL with api_base: https://bedrock-runtime.REGION.amazonaws.com/openai/v1 and an API"
    " key of Bedrock, for LiteLLM's own way needs several credentials"
)
_AZURE = (
    "openai/DEPLOYMENT with api_base: https://RESOURCE.openai.azure.com/openai/v1, for LiteLLM's"
    " own way needs a version of the API for each deployment"
)
_SAID_OTHERWISE = {
    "azure": _AZURE,
    "azure_ai": _AZURE,
    "bedrock": _BEDROCK,
    "bedrock_converse": _BEDROCK,
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "vertex_ai": _VERTEX,
    "vertex_ai_beta": _VERTEX,
    "google": "gemini/MODEL",
    "openai_like": "openai/MODEL with api_base",
    "custom_openai": "openai/MODEL with api_base",
    "lm_studio": "openai/MODEL with api_base",
    "vllm": "hosted_vllm/MODEL with api_base",
}
"""Providers that LiteLLM knows and a deployment cannot name, and what to write instead."""


def _is_offered(model: str) -> str:
    provider = model.partition("/")[0]
    if provider in _SAID_OTHERWISE:
        raise ValueError(_SAID_OTHERWISE[provider])
    return model


DeployedModel = Annotated[
    str,
    AfterValidator(_is_offered),
    *matching(
        rf"({'|'.join(Provider)})/{_PART}*(/{_PART}*)*",
        f"PROVIDER/MODEL, without *, and the provider one of {', '.join(Provider)};"
        " write openai/MODEL with api_base for any other server that speaks OpenAI",
    ),
]

_OWN_NAMES = ("postgres", "redis", "litellm", "openwebui")
HOST_NAME = "host.docker.internal"


def _is_reachable(url: HttpUrl) -> HttpUrl:
    """An address that leads out of the container it is used in."""
    host = (url.host or "").rstrip(".")
    if host in _OWN_NAMES:
        raise ValueError(f"another name than {host}, which is a container of this tenant")
    if host == "localhost" or host.endswith(".localhost") or _is_the_container(host.strip("[]")):
        port = f":{url.port}" if url.port else ""
        raise ValueError(
            f"an address that leads out of the container: write {url.scheme}://{HOST_NAME}{port}"
            " for a server on the Docker host"
        )
    return url


def _is_the_container(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


ReachableUrl = Annotated[HttpUrl, AfterValidator(_is_reachable)]


class Api(StrEnum):
    """Which of OpenAI's APIs a server of one's own has."""

    CHAT = "chat"  # chat completions: LiteLLM translates messages and responses for it
    RESPONSES = "responses"  # both


class Strategy(StrEnum):
    """How one of several deployments of a model is picked."""

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


class Section(BaseModel):
    """A part of the file: unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Service(Section):
    """What every container has."""

    memory_mb: MiB = Field(description="Most memory it may use, in MiB; there is no swap")
    cpus: Cpus = Field(Decimal(1), description="Most processors it may use, such as 0.5")


class Postgres(Service):
    """The database of LiteLLM and Open WebUI."""

    memory_mb: MiB = 512


class Redis(Service):
    """Cache, rate limits, sessions (Valkey)."""

    memory_mb: MiB = 256


Amount = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=9)]


class Price(Section):
    """What a million tokens cost, in the currency of the Billing API.

    Without any, the model costs what LiteLLM knows.
    """

    input_per_million: Amount | None = Field(None, description="Prompt")
    output_per_million: Amount | None = Field(None, description="Answer")
    cached_input_per_million: Amount | None = Field(
        None, description="Prompt that the provider had in its cache; as the rest unless given"
    )
    cache_write_per_million: Amount | None = Field(
        None, description="Prompt that the provider puts there; as the rest unless given"
    )
    reasoning_per_million: Amount | None = Field(
        None, description="Thinking before the answer; as the answer unless given"
    )
    audio_input_per_million: Amount | None = Field(
        None, description="Sound in the prompt of a chat; as the rest unless given"
    )
    audio_output_per_million: Amount | None = Field(
        None, description="Sound in the answer of a chat; as the rest unless given"
    )
    per_image: Amount | None = Field(
        None, description="A generated image, of a model that LiteLLM knows no price for"
    )
    request_at_most: Amount | None = Field(
        None,
        description="Set aside for a request whose cost is only known afterwards, such as for an"
        " image or for speech; without it such requests are refused",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        # LiteLLM takes what it is told for the whole price: what is left out may cost nothing.
        given = {name for name, amount in self if amount is not None}
        needed = ["input_per_million", "output_per_million"] if given - {"request_at_most"} else []
        needed += ["request_at_most"] if "per_image" in given else []
        refuse(Finding((name,), "", NEEDED) for name in needed if name not in given)
        return self


class Deployment(Section):
    """One place where a model runs."""

    model: DeployedModel = Field(
        description="PROVIDER/MODEL as LiteLLM names it, such as openai/gpt-4o"
    )
    key: KeyName | None = Field(
        None,
        description="Name of the provider key in the stack's config (`providerKeys`);"
        " the provider's name unless given; none for a server that asks for no key",
    )
    api_base: ReachableUrl | None = Field(
        None,
        description="Another address of the provider, or a server of your own; a name without a"
        " dot, and host.docker.internal, lead to the Docker host",
    )
    api: Api | None = Field(
        None,
        description="What an openai/… server at `api_base` has: chat completions only (chat, unless"
        " given), or the Responses API as well (responses)",
    )
    weight: int = Field(1, ge=1, le=1000, description="Share of the requests")
    requests_per_minute: int | None = Field(None, ge=1, description="Refused beyond (429)")
    tokens_per_minute: int | None = Field(None, ge=1, description="Refused beyond (429)")
    stream_usage: bool = Field(
        True,
        description="Whether a stream may be asked for what it used; a server that refuses"
        " `stream_options` needs false, and its streams are counted here",
    )
    price: Price | None = Field(
        None,
        description="Needed where LiteLLM does not know the model's price; for a model of images or"
        " sound, `request_at_most` is",
    )

    @model_validator(mode="after")
    def _price_is_known(self) -> Self:
        price = self.price or Price()
        problem = price_problem(
            self.model,
            tokens=price.input_per_million is not None,
            at_most=price.request_at_most is not None,
        )
        if problem:
            refuse([Finding(("model",), self.model, problem)])
        return self

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        own = self.provider is Provider.OPENAI and self.api_base
        refuse(
            finding
            for applies, finding in (
                (
                    self.key == NO_KEY and not self.api_base,
                    Finding(("key",), NO_KEY, "only for a server of your own: give its `api_base`"),
                ),
                (
                    self.provider is Provider.HOSTED_VLLM and not self.api_base,
                    Finding(("api_base",), "", NEEDED),
                ),
                (
                    self.api and not own,
                    Finding(("api",), self.api, "only for openai/… with an `api_base`"),
                ),
            )
            if applies
        )
        return self

    @property
    def provider(self) -> Provider:
        """The provider."""
        return Provider(self.model.partition("/")[0])

    @property
    def key_name(self) -> str | None:
        """Name of its key in the stack's `providerKeys`; None if it needs no key."""
        return None if self.key == NO_KEY else self.key or self.provider.value

    @property
    def speaks_chat_only(self) -> bool:
        """Whether it knows OpenAI's chat completions and none of its later APIs."""
        own = self.provider is Provider.OPENAI and self.api_base is not None
        return own and self.api is not Api.RESPONSES


class Model(Section):
    """A model as users see it, running in one or several places."""

    name: ModelName = Field(description="The name that users and programs ask for")
    deployments: list[Deployment] = Field(min_length=1)


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
    """What happens between a request and the deployments of its model."""

    strategy: Strategy = Strategy.WEIGHTED
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

    mode: Annotated[CacheMode, BeforeValidator(_switch)] = CacheMode.OPT_IN
    ttl: Duration = Field(3600, description="How long an answer is kept")


class RateLimits(Section):
    """Limits of each person that chats, over all models; beyond: 429."""

    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)


Named = TypeVar("Named", Model, ApiKey)
Fallbacks = dict[ModelName, Annotated[list[ModelName], Field(min_length=1)]]


class LiteLLM(Service):
    """The model gateway."""

    port: Port = Field(description="Where it listens on the host")
    memory_mb: AppMiB = 1024
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
            refuse([Finding(("memory_mb",), self.memory_mb, allowed)])
        return self.model_copy(update={"memory_mb": _DATABASE_MB})

    @model_validator(mode="after")
    def _has_memory_for_its_largest_body(self) -> Self:
        largest = max(1, (self.memory_mb - _WITHOUT_BODIES_MB) // _TIMES_A_BODY)
        if self.max_body_mb <= largest:
            return self
        if "max_body_mb" in self.model_fields_set:
            allowed = f"at most {largest} with memory_mb = {self.memory_mb}"
            refuse([Finding(("max_body_mb",), self.max_body_mb, allowed)])
        return self.model_copy(update={"max_body_mb": largest})

    @property
    def body_memory_mb(self) -> int:
        """What the bodies of all requests under way may take together."""
        return max(self.memory_mb - _WITHOUT_BODIES_MB, self.max_body_mb * _TIMES_A_BODY)

    @property
    def model_names(self) -> list[str]:
        """What users and programs may ask for."""
        return _names(self.models)

    @field_validator("models", "keys")
    @classmethod
    def _names_differ(cls, named: list[Named]) -> list[Named]:
        refuse(repeated((each.name for each in named), "name", "a name not used above"))
        return named

    @field_validator("fallbacks", "context_window_fallbacks")
    @classmethod
    def _lead_to_other_models(cls, fallbacks: Fallbacks, info: ValidationInfo) -> Fallbacks:
        if "models" in info.data:  # else they are refused themselves
            refuse(_unknown_models(fallbacks, {model.name for model in info.data["models"]}))
        return fallbacks

    @field_validator("keys")
    @classmethod
    def _open_models_of_this_file(cls, keys: list[ApiKey], info: ValidationInfo) -> list[ApiKey]:
        if "models" in info.data:  # else they are refused themselves
            names = _names(info.data["models"])
            refuse(
                Finding((number, "models", index), name, _known(names))
                for number, key in enumerate(keys)
                for index, name in enumerate(key.models or [])
                if name not in names
            )
        return keys


def _names(models: list[Model]) -> list[str]:
    return [model.name for model in models] or [DEMO_MODEL, DEMO_EMBEDDING]


def _known(names: Iterable[str]) -> str:
    return f"a model of this file ({', '.join(sorted(names)) or 'there is none'})"


def _unknown_models(fallbacks: Fallbacks, names: set[str]) -> Iterator[Finding]:
    known = _known(names)
    for model, others in fallbacks.items():
        if model not in names:
            yield Finding((model,), "", known)
        for index, other in enumerate(others):
            if other not in names - {model}:
                yield Finding((model, index), other, f"{known}, another one")


class OpenWebUI(Service):
    """The chat."""

    port: Port = Field(description="Where it listens on the host")
    memory_mb: AppMiB = 1024
    signup: bool = Field(False, description="Whether anyone may make an account")
    session: Duration = Field(43_200, description="How long a login lasts")
    names: list[ChatName] = Field(
        [],
        description="Every name and address that people open the chat at, besides `domain`, with"
        " the port where the browser shows one; under any other the chat says where it is."
        " Without `domain` the first is where logins return to",
    )
    connections: bool = Field(
        False,
        description="Whether admins of the chat may add addresses of other services: models that"
        " no budget covers, web search, images. They then reach what its networks reach",
    )
    plugins: bool = Field(
        False,
        description="Whether admins of the chat may add functions, tools and pipelines. Their code"
        " runs with all of the chat's secrets",
    )
    max_file_mb: int = Field(
        20, ge=1, le=1024, description="Largest file that somebody may upload, in MiB"
    )
    max_files: int = Field(10, ge=1, le=100, description="Files that one message may bring")


class UserId(StrEnum):
    """What a person is named by at the Billing API."""

    EMAIL = "email"  # of the last login
    SUBJECT = "subject"  # the login's own name of the person, which never changes


Currency = Annotated[str, *matching(r"[A-Z]{3}", "a currency's three letters, such as EUR")]
DOLLAR = "USD"


class UsdRate(Section):
    """The price of a US dollar, in which LiteLLM knows what models cost."""

    rate: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=9)] = Field(
        description="One US dollar in the currency of the budgets, such as 0.86"
    )
    as_of: date = Field(description="Day of the rate, such as 2026-11-20")


CORE_BILLING = "billing-api"
"""Host name of the core's Billing API."""
CORE_LOGIN = "pocketbase-core"
"""Host name of the core's login."""


class Billing(Section):
    """The Billing API that knows the budgets; without it everybody may spend."""

    url: ReachableUrl = HttpUrl("http://billing-api:3000")
    check_path: UrlPath = "/api/check-budget"
    log_path: UrlPath = "/api/log-usage"
    batch: int = Field(
        100, ge=1, le=1000, description="Events sent at once; 1 for a service that takes no lists"
    )
    grace: Duration = Field(
        600, description="How long its last answer counts while the Billing API is away"
    )
    account: str | None = Field(
        None,
        min_length=1,
        max_length=254,
        description="Who pays for requests of nobody in particular, such as with the master key;"
        " api@SLUG unless given",
    )
    markup_percent: Decimal = Field(
        Decimal(0), ge=0, le=1000, decimal_places=2, description="Added to the provider's price"
    )
    contract: Literal[1, 2] | None = Field(
        None,
        description="Version of the contract that the service speaks; 2 for the core's, else 1"
        " unless given",
    )
    user_id: UserId | None = Field(
        None,
        description="What people are named by; for the core's service and login it is the"
        " subject, else the e-mail, unless given",
    )
    currency: Currency | None = Field(
        None, description="Of the budgets; that of the core, if it is known, unless given"
    )
    usd_rate: UsdRate | None = Field(
        None,
        description="What a US dollar is in that currency: the prices that LiteLLM knows are in"
        " dollars, and are multiplied by it; that of the core, if it is known, unless given",
    )

    @property
    def contract_version(self) -> Literal[1, 2]:
        """Version of the contract that the service speaks."""
        return self.contract or (2 if self.url.host == CORE_BILLING else 1)

    @model_validator(mode="after")
    def _rate_has_a_currency(self) -> Self:
        if self.usd_rate and self.currency == DOLLAR:
            refuse([Finding(("usd_rate",), "", f"none: the budgets are in {DOLLAR} already")])
        return self


Role = Annotated[str, *matching(r"[^\s,]([^,\n]*[^\s,])?", "a name without commas")]
Scope = Annotated[str, *matching(r"[!#-\[\]-~]+", "a word without spaces and quotes")]


class Login(Section):
    """Logins at an OpenID provider, such as the core's; without it Open WebUI has passwords.

    An account belongs to the provider's subject, whatever e-mail it has. One that the chat made
    itself is taken over by the same e-mail, if the provider says that it is verified.
    """

    issuer: ReachableUrl = Field(
        HttpUrl("http://pocketbase-core:8090"),
        description="Its address as the tenant's containers reach it; below it is"
        " /.well-known/openid-configuration",
    )
    name: str = Field("PocketBase", min_length=1, max_length=64, description="On the button")
    client_id: str | None = Field(
        None, min_length=1, max_length=254, description="The tenant's; SLUG unless given"
    )
    scopes: list[Scope] = Field(
        [], description="Asked for besides openid, email and profile, such as groups"
    )
    roles_claim: str = Field("role", min_length=1, description="Where it says who may do what")
    email_claim: str = Field(
        "email", min_length=1, description="Where it says a person's e-mail, such as upn"
    )
    name_claim: str = Field("name", min_length=1, description="Where it says a person's name")
    users: list[Role] = Field(
        ["user"],
        min_length=1,
        description='Roles that may chat; "*" is whoever the provider lets in',
    )
    admins: list[Role] = Field(["admin"], description="Roles that administer Open WebUI, too")
    passwords: bool = Field(
        False, description="Whether accounts of Open WebUI's own, such as its first admin's, stay"
    )


def base_url(url: HttpUrl) -> str:
    """An address that paths are put behind: pydantic ends a mere host with a slash."""
    return str(url).rstrip("/")


def public_url(domain: str | None, bind: IPvAnyAddress, port: int) -> str:
    """Where people open what listens on a port of the host, and may have a name behind TLS."""
    return f"https://{domain}" if domain else f"http://{url_host(bind)}:{port}"


def url_host(address: IPvAnyAddress) -> str:
    """An address as URLs write it."""
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004


UNSPECIFIED = "an address that people open"
"""What is right instead of all addresses, where nothing says another name."""


class Tenant(Section):
    """One customer: an AI stack of its own."""

    slug: Slug = Field(description="Short name, in every container's, network's and volume's name")
    name: str = Field(min_length=1, max_length=64, description="Shown to the users")
    domain: Domain | None = Field(None, description="Public name of the chat, behind TLS")
    bind: IPvAnyAddress = Field(
        default="127.0.0.1",
        validate_default=True,
        description="Address of the host that the two ports listen on",
    )
    openwebui: OpenWebUI
    litellm: LiteLLM
    postgres: Postgres = Postgres()
    redis: Redis = Redis()
    billing: Billing | None = None
    login: Login | None = None

    @property
    def chat_url(self) -> str:
        """Where people open the chat."""
        if self.domain or not self.openwebui.names:
            return public_url(self.domain, self.bind, self.openwebui.port)
        return f"http://{self.openwebui.names[0]}"

    @property
    def chat_names(self) -> list[str]:
        """Every host[:port] that the chat answers under."""
        if self.domain:
            return [self.domain, *self.openwebui.names]
        here = "[::1]" if self.bind.version == 6 else "127.0.0.1"  # noqa: PLR2004
        hosts = [here if self.bind.is_unspecified else url_host(self.bind)]
        hosts += ["localhost"] if self.bind.is_loopback or self.bind.is_unspecified else []
        return [*self.openwebui.names, *(f"{host}:{self.openwebui.port}" for host in hosts)]

    @property
    def litellm_url(self) -> str:
        """Where programs reach the gateway."""
        host = "127.0.0.1" if self.bind.is_unspecified else url_host(self.bind)
        return f"http://{host}:{self.litellm.port}"

    @property
    def account(self) -> str:
        """Who pays for requests of nobody in particular."""
        return (self.billing and self.billing.account) or f"api@{self.slug}"

    @property
    def user_id(self) -> UserId:
        """What people are named by at the Billing API."""
        if self.billing and self.billing.user_id:
            return self.billing.user_id
        # Another provider's subjects mean nothing to the core.
        of_core = self.login and self.login.issuer.host == CORE_LOGIN
        speaks_two = self.billing and self.billing.contract_version > 1
        return UserId.SUBJECT if of_core and speaks_two else UserId.EMAIL

    def with_currency_of_core(self, currency: str | None, usd_rate: UsdRate | None) -> "Tenant":
        """The same tenant with what its file leaves to the core."""
        if not self.billing:
            return self
        ours = self.billing.currency or currency
        # A rate is one to the core's own currency.
        rate = self.billing.usd_rate or (usd_rate if ours == currency else None)
        rate = None if ours == DOLLAR else rate
        billing = self.billing.model_copy(update={"currency": ours, "usd_rate": rate})
        return self.model_copy(update={"billing": billing})

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.bind.is_unspecified and not self.domain and not self.openwebui.names:
            allowed = f"{UNSPECIFIED}, or `domain` or `openwebui.names` beside it"
            refuse([Finding(("bind",), self.bind, allowed)])
        return self

    @field_validator("slug")
    @classmethod
    def _is_no_core(cls, slug: str) -> str:
        if slug.partition("-")[0] == "core":
            raise ValueError("another name than `core` or `core-…`, which the shared services have")
        return slug

    @field_validator("billing", "login")
    @classmethod
    def _is_said(cls, section: Section | None, info: ValidationInfo) -> Section | None:
        # The key with nothing below it would mean a tenant without budgets or logins.
        if section is None:
            raise ValueError(
                f"a mapping, such as {{}}; a tenant without leaves out the key `{info.field_name}`"
            )
        return section

    @field_validator("litellm")
    @classmethod
    def _ports_differ(cls, litellm: LiteLLM, info: ValidationInfo) -> LiteLLM:
        openwebui = info.data.get("openwebui")
        if openwebui and openwebui.port == litellm.port:
            refuse([Finding(("port",), litellm.port, "a port other than openwebui.port")])
        return litellm
