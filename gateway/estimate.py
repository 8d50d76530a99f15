"""How much a request may cost."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import litellm
import orjson

from gateway.allowed import ANSWERS, OUTPUT_LIMITS, UNITS, RequestError, is_of_the_caller
from gateway.money import with_markup
from gateway.prices import ANSWER_TOKENS, MEDIA, Model, Price, Prompt

# A count of tokens is the one of OpenAI's tokenizer; others need up to this many more.
TOKENIZERS_DIFFER = 1.3

IMAGE_TOKENS = 1600
"""Set aside for an image, whatever its size."""

SHORTEST_ANSWER = 16
"""Tokens that a capped answer has at least; what cannot pay for them is refused."""

_IMAGE = re.compile(rb'"(image_url|input_image|image)"')

# Content that the provider gets from elsewhere, so that nobody here sees how long it is.
_UNSEEN = re.compile(
    rb'"(file|file_id|file_url|file_data|input_file|document|previous_response_id|conversation'
    rb'|input_audio|audio|video|video_url|inline_data|inlineData)"'
    # what is called an image and is none
    rb'|"format":"(?!image/)\w+/|"data:(?!image/)\w+/'
)

# Where content is, and what in it is not read as words.
_CONTENT = ("messages", "input", "content", "output")
_MEDIA = ("image_url", "source", "input_audio", "file", "file_data", "video_url")


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


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that was checked, and the model it asks for."""

    call_type: str
    body: Mapping[str, Any]
    model: Model
    markup_percent: Decimal

    def bound(self) -> Estimate:
        """Bounds without a look at the words: a token has at least one byte."""
        text = _dumped(self.body)
        return self._estimate(text, len(text))

    def counted(self) -> Estimate:
        """Closer bounds, for milliseconds of work: call it in a thread."""
        words = _dumped(_without_media(self.body)).decode(errors="replace")
        tokens = litellm.token_counter(text=words) * TOKENIZERS_DIFFER
        return self._estimate(_dumped(self.body), int(tokens))

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
        answers = max(self.body.get(name) or 1 for name in ANSWERS) * self._prompts()
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

    def _prompts(self) -> int:
        """How many texts are to be completed."""
        prompt = self.body.get("prompt")
        if not isinstance(prompt, list) or all(isinstance(token, int) for token in prompt):
            return 1
        return len(prompt)

    def _searches(self) -> bool:
        """Whether the provider may run tools of its own."""
        return self.body.get("web_search_options") is not None or any(
            not is_of_the_caller(tool) for tool in self.body.get("tools") or ()
        )

    def _longest_answer(self) -> tuple[int, bool]:
        """In tokens, and whether that holds without this gateway's doing."""
        names = OUTPUT_LIMITS[self.call_type]
        if not names:
            return 0, True
        asked = [self.body[name] for name in names if self.body.get(name)]
        # Of several limits LiteLLM hands on one, and not always the lowest.
        known = [limit for limit in (max(asked, default=None), self.model.answer_tokens) if limit]
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


def _dumped(body: object) -> bytes:
    try:
        return bytes(orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS))
    except orjson.JSONEncodeError as error:
        raise RequestError(f"The body cannot be read: {error}.") from None


def _without_media(value: object) -> object:
    """Content without what is an image, a sound or a file in it."""
    if isinstance(value, list):
        return [_without_media(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_media(item) if name in _CONTENT else item
        for name, item in value.items()
        if not (name in _MEDIA and (isinstance(item, dict) or str(item).startswith("data:")))
    }


def limit_answer(call_type: str, data: dict[str, Any], estimate: Estimate, amount: int) -> None:
    """Make sure that the answer costs no more than was set aside.

    `data` is changed where the caller's own limit, or the model's, is not low enough.
    """
    if call_type == "atext_completion" and data.get("stream"):
        # Only for the other calls LiteLLM sees to it that the provider counts.
        data["stream_options"] = {**(data.get("stream_options") or {}), "include_usage": True}
    names = OUTPUT_LIMITS.get(call_type, ())
    if not names or (amount >= estimate.most and estimate.limited):
        return
    affordable = min(estimate.price.answer_tokens(amount, estimate.tokens_in), estimate.tokens_out)
    each = max(1, affordable // estimate.answers)
    given = [name for name in names if data.get(name)] or [names[-1]]
    data.update(dict.fromkeys(given, each))
