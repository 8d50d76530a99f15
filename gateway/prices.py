"""The most that a model's tokens can cost, from what LiteLLM knows of its deployments.

Only for what is set aside before a request: what a request did cost, LiteLLM calculates.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from gateway.images import is_known
from money.nanos import NANOS

# For a model that LiteLLM knows no limits of. An answer is then limited to this.
ANSWER_TOKENS = 4096
WINDOW_TOKENS = 200_000

SEARCHES = 10
"""Searches that a provider may make for one answer, as far as they are set aside for."""

_INPUT = re.compile(r"(input_cost_per|cache_creation_input)_(\w+_)?token(_cost)?(?P<rest>(_\w+)?)")
_OUTPUT = re.compile(r"output_cost_per_(\w+_)?token(?P<rest>(_\w+)?)")
_CHEAPER = ("batches", "flex", "balanced")
_DEARER = ("priority", "ultrafast")
_ABOVE = re.compile(r"above_(\d+)k_tokens")


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The properties of a prompt that decide the price of a token.

    Attributes:
        tokens: upper bound of its length.
        media: which of audio, image and video it has, or asks for.
        tier: whether it names a service tier.
        searches: whether the provider may search, or run other tools of its own.
    """

    tokens: int
    media: frozenset[str] = frozenset()
    tier: bool = False
    searches: bool = False


@dataclass(frozen=True, kw_only=True)
class Price:
    """Upper bounds: nanos for a token, and for the request itself."""

    input: Decimal
    output: Decimal
    request: Decimal

    def of(self, tokens_in: int, tokens_out: int) -> int:
        """Nanos; a part of one counts as one."""
        exact = self.input * tokens_in + self.output * tokens_out + self.request
        return int(exact.to_integral_value(ROUND_CEILING))

    def answer_tokens(self, amount: int, tokens_in: int) -> int:
        """Tokens of the longest answer with which a request costs no more than an amount."""
        left = amount - self.input * tokens_in - self.request
        return int(left / self.output) if self.output else ANSWER_TOKENS


@dataclass(frozen=True)
class Model:
    """A model with all places it may run at, fallbacks included.

    Attributes:
        answer_tokens: longest answer; None if nobody knows.
        request_at_most: nanos to set aside where tokens say nothing; None if it was not given.
        names: what its providers call it, and what LiteLLM does.
        can_think: whether it can think out of sight before it answers.
        thinks: whether it does so unless it is told not to.
    """

    costs: Mapping[str, Decimal]
    window: int
    answer_tokens: int | None
    request_at_most: int | None
    names: frozenset[str] = frozenset()
    can_think: bool = False
    thinks: bool = False

    def price(self, prompt: Prompt, markup_percent: Decimal) -> Price:
        """The most that a token of a request can cost."""
        factor = NANOS * (1 + markup_percent / 100)
        searches = SEARCHES * self.costs.get("search", Decimal(0)) if prompt.searches else 0
        return Price(
            input=self._dearest(_INPUT, prompt) * factor,
            output=self._dearest(_OUTPUT, prompt) * factor,
            request=(searches + self.costs.get("input_cost_per_query", Decimal(0))) * factor,
        )

    def _dearest(self, pattern: re.Pattern[str], prompt: Prompt) -> Decimal:
        return max(
            (
                cost
                for name, cost in self.costs.items()
                if (match := pattern.fullmatch(name)) and _applies(name, match["rest"], prompt)
            ),
            default=Decimal(0),
        )


def _applies(name: str, rest: str, prompt: Prompt) -> bool:
    above = _ABOVE.search(rest)
    return not (
        rest.endswith(_CHEAPER)
        or (rest.endswith(_DEARER) and not prompt.tier)
        or (above and prompt.tokens <= int(above[1]) * 1000)
        or any(medium in name and medium not in prompt.media for medium in MEDIA)
    )


MEDIA = ("audio", "image", "video")


def dearest(deployments: Iterable[Mapping[str, Any]]) -> Model:
    """One model out of LiteLLM's infos of all its deployments: the highest price of each kind.

    An info is what LiteLLM's map knows, with its name there as `key`, the deployment's own as
    `model`, what the tenant's file says, and as `rate` what one of its prices' currency is in the
    budget's.
    """
    deployments = list(deployments)
    costs: dict[str, Decimal] = {}
    windows: list[int] = []
    answers: list[int | None] = []
    most: list[int] = []
    for info in deployments:
        for name, cost in _costs(info):
            costs[name] = max(cost, costs.get(name, cost))
        windows.append(info.get("max_input_tokens") or WINDOW_TOKENS)
        answers.append(info.get("max_output_tokens"))
        if info.get("request_at_most") is not None:
            most.append(int(Decimal(info["request_at_most"]) * NANOS))
    known = [answer for answer in answers if answer]
    return Model(
        costs=costs,
        window=max(windows, default=WINDOW_TOKENS),
        answer_tokens=max(known) if len(known) == len(answers) and known else None,
        request_at_most=max(most, default=None),
        names=frozenset(name for info in deployments for name in _names(info)),
        can_think=any(info.get("supports_reasoning") for info in deployments),
        thinks=any(_thinks(info) for info in deployments),
    )


def _names(info: Mapping[str, Any]) -> Iterable[str]:
    """The deployment's own, or the one of LiteLLM's map where that says nothing of the model."""
    names = [str(info[name]) for name in ("model", "key") if info.get(name)]
    return [name for name in names if is_known(name)] or names[:1]


def _thinks(info: Mapping[str, Any]) -> bool:
    """Claude thinks when it is asked to; others do unless LiteLLM's map says that they do not."""
    if not info.get("supports_reasoning") or info.get("default_reasoning_effort") == "none":
        return False
    return not any("claude" in name.lower() for name in _names(info))


def words_cost(info: Mapping[str, Any], tokens_in: int, tokens_out: int) -> Decimal | None:
    """The cost of words at one deployment; None if it has no price for them."""
    costs = dict(_costs(info))
    per_in, per_out = (costs.get(f"{way}_cost_per_token") for way in ("input", "output"))
    if per_in is None or (per_out is None and tokens_out):
        return None
    return per_in * tokens_in + (per_out or 0) * tokens_out


def _costs(info: Mapping[str, Any]) -> Iterable[tuple[str, Decimal]]:
    # The shortest text of a float is what stands in LiteLLM's price map, exactly.
    rate = info.get("rate", Decimal(1))
    for name, cost in info.items():
        if isinstance(cost, float | int) and "cost" in name:
            yield name, Decimal(repr(cost)) * rate
    searches = info.get("search_context_cost_per_query") or {}
    dearest_search = max((Decimal(repr(cost)) for cost in searches.values()), default=Decimal(0))
    yield "search", dearest_search * rate
