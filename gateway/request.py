"""What a request asks for: what is refused in one, and how much it may cost."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import litellm
import orjson
from litellm.types.utils import all_litellm_params

from gateway.money import with_markup
from gateway.prices import ANSWER_TOKENS, MEDIA, Model, Price, Prompt

# A count of tokens is the one of OpenAI's tokenizer; others need up to this many more.
TOKENIZERS_DIFFER = 1.3

IMAGE_TOKENS = 1600
"""Set aside for an image, whatever its size."""

MOST_TOKENS = 10_000_000

SHORTEST_ANSWER = 16
"""Tokens that a capped answer has at least; what cannot pay for them is refused."""

_DATA_URL = re.compile(rb'data:[^"]*|(?<="data":")[^"]*')
_IMAGE = re.compile(rb'"(image_url|input_image|image)"')

# Content that the provider gets from elsewhere, so that nobody here sees how long it is.
_UNSEEN = re.compile(
    rb'"(file|file_id|file_url|file_data|input_file|document|previous_response_id|conversation'
    rb'|input_audio|audio|video|video_url|inline_data|inlineData)"'
)
_TOOLS_OF_THE_CALLER = ("function", "custom", None)

OUTPUT_LIMITS: Mapping[str, tuple[str, ...]] = {
    "acompletion": ("max_completion_tokens", "max_tokens"),
    "atext_completion": ("max_tokens",),
    "anthropic_messages": ("max_tokens",),
    "aresponses": ("max_output_tokens",),
    "aembedding": (),
}
"""The calls that are paid by the token, and what limits an answer's tokens in each."""

UNITS = ("aimage_generation", "image_generation", "aspeech", "transcription", "atranscription")
"""The calls that are paid by the image, the second or the character."""

_ANSWERS = ("n", "best_of")

# LiteLLM's own parameters steer where a request goes, what it costs and whether it is logged.
_HARMLESS = {"cache", "metadata", "tags", "id"}
_STEERING = (set(all_litellm_params) - _HARMLESS) | {
    # passed on unread, past the limits above
    *("extra_body", "extra_headers", "extra_query", "generationConfig", "generation_config"),
    *("maxOutputTokens", "max_tokens_to_sample", "max_new_tokens", "max_length"),
    # tried elsewhere, more often, or never to the end
    *("fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "disable_fallbacks"),
    *("mock_testing_fallbacks", "mock_testing_context_fallbacks"),
    *("mock_testing_content_policy_fallbacks", "mock_testing_rate_limit_error"),
    *("models", "timeout", "stream_timeout", "max_retries", "router_settings_override"),
    *("user_config", "base_url", "api_base", "organization", "deployment_id", "engine"),
    # answered later, when nobody counts
    *("background", "prompt"),
}
_TEXT_PROMPT = ("atext_completion", "aimage_generation", "image_generation", "transcription")


class RequestError(ValueError):
    """The request cannot be let through; the text is for the caller."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bounds of what a request costs.

    Attributes:
        tokens_in: upper bound.
        tokens_out: upper bound of all answers together.
        answers: how many are asked for.
        most: nanos.
        least: nanos without which it makes no sense: the prompt and a short answer.
        limited: whether `tokens_out` holds without this gateway's doing.
    """

    price: Price
    tokens_in: int
    tokens_out: int
    answers: int
    most: int
    least: int
    limited: bool


def check(call_type: str, body: Mapping[str, Any]) -> None:
    """Refuse what would lead past a budget.

    Raises:
        RequestError: with what is wrong.
    """
    if call_type not in OUTPUT_LIMITS and call_type not in UNITS:
        raise RequestError("This gateway does not offer this kind of call.")
    if not isinstance(body.get("model"), str):
        raise RequestError("`model` must be the name of one model.", "model")
    steering = _STEERING - {"prompt"} if call_type in _TEXT_PROMPT else _STEERING
    for name in body:
        if name in steering or name.startswith(("_", "input_cost_", "output_cost_", "mock_")):
            raise RequestError(f"`{name}` cannot be set in a request to this gateway.", name)
    for name in (*_ANSWERS, *OUTPUT_LIMITS.get(call_type, ())):
        value = body.get(name)
        if value is not None and (type(value) is not int or not 0 < value <= MOST_TOKENS):
            raise RequestError(f"`{name}` must be a whole number above 0.", name)
    options = body.get("cache")
    if options is not None and not isinstance(options, dict):
        raise RequestError("`cache` must be an object.", "cache")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that was checked, and the model it asks for."""

    call_type: str
    body: Mapping[str, Any]
    model: Model
    markup_percent: Decimal

    def bound(self) -> Estimate:
        """Bounds without a look at the words: a token has at least one byte."""
        text = self._text()
        return self._estimate(text, len(text))

    def counted(self) -> Estimate:
        """Closer bounds, for milliseconds of work: call it in a thread."""
        text = _DATA_URL.sub(b"", self._text())
        words = litellm.token_counter(text=text.decode(errors="replace"))
        return self._estimate(text, int(words * TOKENIZERS_DIFFER))

    def _text(self) -> bytes:
        return bytes(orjson.dumps(self.body, default=str, option=orjson.OPT_NON_STR_KEYS))

    def _estimate(self, text: bytes, tokens: int) -> Estimate:
        if self.call_type in UNITS:
            return self._unit()
        searches = self._searches()
        tokens += IMAGE_TOKENS * len(_IMAGE.findall(text))
        if searches or _UNSEEN.search(text):
            tokens = max(tokens, self.model.window)
        prompt = Prompt(
            tokens=tokens,
            media=frozenset(medium for medium in MEDIA if medium.encode() in text),
            tier=self.body.get("service_tier") is not None,
            searches=searches,
        )
        price = self.model.price(prompt, self.markup_percent)
        answers = max(self.body.get(name) or 1 for name in _ANSWERS)
        longest, limited = self._longest_answer()
        return Estimate(
            price=price,
            tokens_in=tokens,
            tokens_out=longest * answers,
            answers=answers,
            most=price.of(tokens, longest * answers),
            least=price.of(tokens, min(longest, SHORTEST_ANSWER) * answers),
            limited=limited,
        )

    def _searches(self) -> bool:
        """Whether the provider may run tools of its own."""
        tools = self.body.get("tools")
        return bool(self.body.get("web_search_options")) or any(
            not isinstance(tool, dict) or tool.get("type") not in _TOOLS_OF_THE_CALLER
            for tool in (tools if isinstance(tools, list) else ())
        )

    def _longest_answer(self) -> tuple[int, bool]:
        """In tokens, and whether that holds without this gateway's doing."""
        names = OUTPUT_LIMITS[self.call_type]
        if not names:
            return 0, True
        asked = [self.body[name] for name in names if self.body.get(name)]
        known = asked + [limit for limit in [self.model.answer_tokens] if limit]
        return min(known, default=ANSWER_TOKENS), bool(known)

    def _unit(self) -> Estimate:
        if self.model.request_at_most is None:
            raise RequestError(
                "This model cannot be asked for that: its `price.request_at_most` is not set.",
                "model",
            )
        answers = self.body.get("n") or 1
        most = with_markup(self.model.request_at_most * answers, self.markup_percent)
        return Estimate(
            price=Price(input=Decimal(0), output=Decimal(0), request=Decimal(most)),
            tokens_in=0,
            tokens_out=0,
            answers=answers,
            most=most,
            least=most,
            limited=True,
        )


def limit_answer(call_type: str, data: dict[str, Any], estimate: Estimate, amount: int) -> None:
    """Make sure that the answer costs no more than was set aside.

    `data` is changed where the caller's own limit, or the model's, is not low enough.
    """
    names = OUTPUT_LIMITS.get(call_type, ())
    if not names or (amount >= estimate.most and estimate.limited):
        return
    affordable = min(estimate.price.answer_tokens(amount, estimate.tokens_in), estimate.tokens_out)
    each = max(1, affordable // estimate.answers)
    given = [name for name in names if data.get(name)] or [names[-1]]
    data.update(dict.fromkeys(given, each))
