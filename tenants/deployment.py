"""A deployment of a model: its provider, its address and its price there."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from schema.diagnostics import NEEDED, Violation, raise_violations
from schema.text import constrained_str
from schema.types import KeyName, Section
from tenants.prices import price_problem
from tenants.url import ReachableUrl

NO_KEY = "none"
NAME_PART = r"[A-Za-z0-9][A-Za-z0-9._:@+~-]"


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
    *constrained_str(
        rf"({'|'.join(Provider)})/{NAME_PART}*(/{NAME_PART}*)*",
        f"PROVIDER/MODEL, without *, and the provider one of {', '.join(Provider)};"
        " write openai/MODEL with api_base for any other server that speaks OpenAI",
    ),
]


class Api(StrEnum):
    """Which of OpenAI's APIs a server of one's own has."""

    CHAT = "chat"  # chat completions: LiteLLM translates messages and responses for it
    RESPONSES = "responses"  # both


Amount = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=9)]


class Price(Section):
    """Prices of a million tokens, in the currency of the Billing API.

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
        raise_violations(Violation((name,), "", NEEDED) for name in needed if name not in given)
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
            raise_violations([Violation(("model",), self.model, problem)])
        return self

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        own = self.provider is Provider.OPENAI and self.api_base
        raise_violations(
            finding
            for applies, finding in (
                (
                    self.key == NO_KEY and not self.api_base,
                    Violation(
                        ("key",), NO_KEY, "only for a server of your own: give its `api_base`"
                    ),
                ),
                (
                    self.provider is Provider.HOSTED_VLLM and not self.api_base,
                    Violation(("api_base",), "", NEEDED),
                ),
                (
                    self.api and not own,
                    Violation(("api",), self.api, "only for openai/… with an `api_base`"),
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
