"""Which models LiteLLM knows a price for.

`priced_models.txt` is written by `python -m codegen.prices` from the price map of the
LiteLLM version in `images/images.yaml`. A model without a price would cost nothing,
silently, so such a model is refused.
"""

from difflib import get_close_matches
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("priced_models.txt")

_BY_TOKENS = ("chat", "responses", "embedding")


@cache
def priced_models() -> dict[str, str]:
    """The use of a model, such as `chat`, by its name, such as `openai/gpt-4o`."""
    return dict(line.split() for line in FILE.read_text(encoding="utf-8").splitlines())


def price_problem(model: str, *, tokens: bool, at_most: bool) -> str | None:
    """The allowed values instead of a model whose price is unknown; None if it is known.

    Args:
        model: its name, with the provider's.
        tokens: whether its tokens are given a price.
        at_most: whether it is said what one request costs at most.
    """
    purpose = priced_models().get(model)
    if purpose is None:
        return None if tokens else _unknown(model)
    if purpose in _BY_TOKENS:
        return None
    if tokens:
        # For sound, LiteLLM would count tokens that nobody reports; for images, it depends on the
        # model's name in the file which price it takes.
        return "LiteLLM charges its own price for it: under `price`, give `request_at_most` only"
    if not at_most:
        return "what a request of it costs is known afterwards: give `price.request_at_most`"
    return None


def _unknown(model: str) -> str:
    similar = get_close_matches(model, sorted(priced_models()), n=3)
    alternative = f" or one of {', '.join(similar)}" if similar else ""
    return f"LiteLLM knows no price for it: give one under `price`{alternative}"
