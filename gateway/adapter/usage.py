"""Tells a provider's own count of tokens from one that LiteLLM makes where none came.

LiteLLM counts the words of a stream itself if the provider does not say what it used, and nothing
in what it reports tells the two apart. So its count gets a mark here, in the usage itself, where
the caller sees it, too.
"""

from collections.abc import Mapping
from functools import wraps
from typing import Any

from litellm.litellm_core_utils.streaming_chunk_builder_utils import ChunkProcessor
from litellm.responses import streaming_iterator as responses

_MARK = "estimated"
_COUNTS = ("prompt_tokens", "completion_tokens")


def mark_estimates() -> None:
    """From now on, let every count of LiteLLM's own be known by `is_estimate`."""
    collect, calculate = ChunkProcessor._calculate_usage_per_chunk, ChunkProcessor.calculate_usage
    estimate = responses._estimate_usage_from_text

    @wraps(collect)
    def collected(self: Any, *args: Any, **kwargs: Any) -> Any:
        reported = collect(self, *args, **kwargs)
        self.is_reported = all(reported[count] is not None for count in _COUNTS)
        return reported

    @wraps(calculate)
    def calculated(self: Any, *args: Any, **kwargs: Any) -> Any:
        usage = calculate(self, *args, **kwargs)
        return usage if self.is_reported else _marked(usage)

    @wraps(estimate)
    def estimated(*args: Any, **kwargs: Any) -> Any:
        return _marked(estimate(*args, **kwargs))

    ChunkProcessor._calculate_usage_per_chunk = collected
    ChunkProcessor.calculate_usage = calculated
    responses._estimate_usage_from_text = estimated


def _marked(usage: Any) -> Any:
    setattr(usage, _MARK, True)
    return usage


def is_estimate(payload: Mapping[str, Any]) -> bool:
    """Whether LiteLLM counted what it reports, and not the provider."""
    usage = (payload.get("metadata") or {}).get("usage_object") or {}
    return usage.get(_MARK) is True
