"""Estimates of the cost of a request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from gateway.contents import Contents, contents
from gateway.images import most_tokens
from gateway.prices import ANSWER_TOKENS, Model, Price, Prompt
from gateway.request_policy import ANSWERS, OUTPUT_LIMITS, UNITS, RequestError
from gateway.tools import added_tokens, provider_runs_one
from money.nanos import with_markup

# A count of tokens is the one of OpenAI's tokenizer; others need up to this many more.
TOKENIZERS_DIFFER = 1.3

SHORTEST_ANSWER = 16
"""Tokens that a capped answer has at least; what cannot pay for them is refused."""

SHORTEST_THOUGHT_ANSWER = 512
"""Tokens that are left for the words of a model that thinks first; else there may be none."""

# What LiteLLM makes of an effort for a model that takes a number, and what is usual for others.
THINKING_TOKENS: Mapping[str, int] = {
    "none": 0,
    "disable": 0,
    "minimal": 128,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16_384,
}
_USUAL = "medium"
_LEAST_THINKING = 1024  # that Anthropic takes


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bounds of what a request costs.

    Attributes:
        tokens_in: upper bound.
        tokens_out: upper bound of all answers together.
        answers: how many are asked for.
        max_cost: nanos.
        min_cost: nanos without which it makes no sense: the prompt and a short answer.
        limited: whether `tokens_out` holds without this gateway's doing.
    """

    price: Price
    tokens_in: int
    tokens_out: int
    answers: int
    max_cost: int
    min_cost: int
    limited: bool


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that was checked, and the model it asks for."""

    call_type: str
    body: Mapping[str, Any]
    model: Model
    markup_percent: Decimal

    @property
    def thinks(self) -> bool:
        """Whether the model may think out of sight, which is billed though nobody sees it."""
        return self.call_type not in UNITS and self._thinking_tokens() > 0

    def bound(self) -> Estimate:
        """Bounds without a look at the words: a token has at least one byte."""
        return self._estimate(len(self._text.encode(errors="replace")))

    def counted(self, count: Callable[[str], int]) -> Estimate:
        """Closer bounds, for milliseconds of work: call it in a thread."""
        return self._estimate(int(count(self._text) * TOKENIZERS_DIFFER))

    @cached_property
    def _contents(self) -> Contents:
        return contents(self.body)

    @cached_property
    def _text(self) -> str:
        return self._contents.text

    def _estimate(self, tokens: int) -> Estimate:
        if self.call_type in UNITS:
            return self._unit()
        tools = self.body.get("tools") or ()
        searches = self.body.get("web_search_options") is not None or provider_runs_one(tools)
        tokens = self._prompt_tokens(tokens + added_tokens(tools), unseen=searches)
        prompt = Prompt(
            tokens=tokens,
            media=frozenset(self._contents.media),
            tier=self.body.get("service_tier") is not None,
            searches=searches,
        )
        price = self.model.price(prompt, self.markup_percent)
        if self.body.get("prediction"):
            # What the answer does not use of it is billed as if it had.
            price = replace(price, request=price.request + price.output * tokens)
        answers = max(self.body.get(name) or 1 for name in ANSWERS) * self._prompts()
        longest, limited = self._longest_answer()
        return Estimate(
            price=price,
            tokens_in=tokens,
            tokens_out=longest * answers,
            answers=answers,
            max_cost=price.of(tokens, longest * answers),
            min_cost=price.of(tokens, min(longest, self._shortest_answer()) * answers),
            limited=limited,
        )

    def _prompt_tokens(self, words: int, *, unseen: bool) -> int:
        counts = [most_tokens(self.model.names, image) for image in self._contents.images]
        tokens = words + sum(count or 0 for count in counts)
        if unseen or self._contents.unseen or None in counts:
            return max(tokens, self.model.window)
        return tokens

    def _prompts(self) -> int:
        """Number of texts to be completed."""
        prompt = self.body.get("prompt")
        if not isinstance(prompt, list) or all(isinstance(token, int) for token in prompt):
            return 1
        return len(prompt)

    def _longest_answer(self) -> tuple[int, bool]:
        """In tokens, and whether that holds without this gateway's doing."""
        names = OUTPUT_LIMITS[self.call_type]
        if not names:
            return 0, True
        asked = [self.body[name] for name in names if self.body.get(name)]
        # Of several limits LiteLLM hands on one, and not always the lowest.
        known = [limit for limit in (max(asked, default=None), self.model.answer_tokens) if limit]
        return min(known, default=ANSWER_TOKENS), bool(known)

    def _shortest_answer(self) -> int:
        """Below it a provider refuses the limit, or the answer would have no words."""
        thinking = self._thinking_tokens()
        return thinking + SHORTEST_THOUGHT_ANSWER if thinking else SHORTEST_ANSWER

    def _thinking_tokens(self) -> int:
        """Tokens that a model thinks for before it answers, as the caller says or as is usual."""
        thinking = self.body.get("thinking") or {}
        if thinking.get("type") == "disabled":
            return 0
        budget = thinking.get("budget_tokens")
        if type(budget) is int:
            return max(budget, _LEAST_THINKING)
        effort = self._effort()
        if effort is None and not thinking:
            effort = _USUAL if self.model.thinks else "none"
        return THINKING_TOKENS.get(effort or _USUAL, THINKING_TOKENS[_USUAL])

    def _effort(self) -> str | None:
        if not self.model.can_think:
            return "none"
        for place in ("reasoning_effort", "reasoning", "output_config"):
            value = self.body.get(place)
            effort = value.get("effort") if isinstance(value, dict) else value
            if isinstance(effort, str):
                return effort
        return None

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
            max_cost=most,
            min_cost=most,
            limited=True,
        )


def limit_answer(
    call_type: str, data: dict[str, Any], estimate: Estimate, amount: int
) -> int | None:
    """Make sure that the answer costs no more than was set aside.

    `data` is changed where the caller's own limit, or the model's, is not low enough.

    Returns:
        Tokens that an answer is limited to for want of budget; None if it is not.
    """
    if call_type == "atext_completion" and data.get("stream"):
        # Only for the other calls LiteLLM sees to it that the provider counts.
        data["stream_options"] = {**(data.get("stream_options") or {}), "include_usage": True}
    names = OUTPUT_LIMITS.get(call_type, ())
    if not names or (amount >= estimate.max_cost and estimate.limited):
        return None
    affordable = min(estimate.price.answer_tokens(amount, estimate.tokens_in), estimate.tokens_out)
    each = max(1, affordable // estimate.answers)
    given = [name for name in names if data.get(name)] or [names[-1]]
    data.update(dict.fromkeys(given, each))
    return each if amount < estimate.max_cost else None
