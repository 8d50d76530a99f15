"""The tools of a request: who runs them, and what they cost beside their words.

A tool that the caller runs costs its description, and what the provider adds to the prompt for it.
One that the provider runs costs what it finds, which nobody here can see.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class _Kind:
    """Tools by their type.

    Attributes:
        tokens: upper bound of what the provider adds to the prompt.
        searches: whether the provider runs it.
    """

    pattern: re.Pattern[str]
    tokens: int = 0
    searches: bool = False


def _kind(pattern: str, tokens: int = 0, *, searches: bool = False) -> _Kind:
    return _Kind(re.compile(pattern, re.IGNORECASE), tokens, searches)


# Anthropic's pages on each tool (docs.anthropic.com, "Tool use", "Pricing") name: bash 245 tokens,
# text editor 700, computer 735 and a longer system prompt of 499. OpenAI names none for its shell,
# patch and computer tools, whose descriptions are of the same length: the dearest of Anthropic's.
_KINDS = (
    _kind("bash_.*", 245),
    _kind("text_editor_.*|str_replace_.*", 700),
    _kind("computer.*", 735 + 499),
    _kind("memory_.*", 735),
    _kind("local_shell|shell|apply_patch", 735),
    _kind(
        "web_search.*|web_fetch.*|google_?search.*|url_?context|code_?execution.*"
        "|enterprise_?web_?search|tool_search.*",
        searches=True,
    ),
)

# Gemini's, by their key: LiteLLM knows no price of theirs.
_UNPRICED = re.compile("google_?maps|computer_?use|file_?search", re.IGNORECASE)

WITH_TOOLS = 1000
"""Tokens of the system prompt with which a provider explains that there are tools.

Anthropic's page "Tool use" names 346 for most models, and up to 804 for the newest.
"""

_OWN = ("function", "custom", None)
_NAMES = ("function", "custom", "name")
_NAMESPACE = "namespace"


def is_of_the_caller(tool: object) -> bool:
    """Whether it is a function of the caller's, or a namespace of such."""
    if not isinstance(tool, dict):
        return False
    if tool.get("type") == _NAMESPACE:
        inner = tool.get("tools")
        return isinstance(inner, list) and all(is_of_the_caller(each) for each in inner)
    kind = tool.get("type")
    # A Gemini tool such as {"googleSearch": {}} could hide beside a function.
    return (
        (kind is None or isinstance(kind, str))
        and kind in _OWN
        and any(tool.get(name) for name in _NAMES)
        and _find_by_key(tool) is None
    )


def is_known(tool: Mapping[str, Any]) -> bool:
    """Whether it is a provider's tool with a known price."""
    environment = tool.get("environment")
    hosted = isinstance(environment, dict) and environment.get("type") not in (None, "local")
    unpriced = any(_UNPRICED.fullmatch(name) for name in tool)
    return _find(tool) is not None and not hosted and not unpriced


def provider_runs_one(tools: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the provider may search, or run other tools of its own."""
    return any(not is_of_the_caller(tool) and _searches(tool) for tool in tools)


def added_tokens(tools: Iterable[Mapping[str, Any]]) -> int:
    """Upper bound of what a provider adds to the prompt for the tools that the caller runs."""
    kinds = [_find(tool) for tool in tools]
    return sum(kind.tokens for kind in kinds if kind) + (WITH_TOOLS if kinds else 0)


def _searches(tool: Mapping[str, Any]) -> bool:
    kind = _find(tool)
    return kind is None or kind.searches


def _find(tool: Mapping[str, Any]) -> _Kind | None:
    by_key, kind = _find_by_key(tool), tool.get("type")
    if kind is None:
        return by_key
    by_type = _match(kind) if isinstance(kind, str) else None
    # For Gemini, LiteLLM drops the type: what stands beside it is what runs.
    return by_type and (by_key or by_type)


def _find_by_key(tool: Mapping[str, Any]) -> _Kind | None:
    """Gemini's tools have their name for a key."""
    return next((kind for name in tool if (kind := _match(name)) and kind.searches), None)


def _match(name: str) -> _Kind | None:
    return next((kind for kind in _KINDS if kind.pattern.fullmatch(name)), None)
