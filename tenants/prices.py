"""Which models LiteLLM knows a price for.

`priced_models.txt` is written by `python -m tools.prices` from the price map of the
LiteLLM version in `images/images.yaml`. A model without a price would cost nothing,
silently, so such a model is refused.
"""

from difflib import get_close_matches
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("priced_models.txt")


@cache
def priced_models() -> frozenset[str]:
    """Names such as `openai/gpt-4o`."""
    return frozenset(FILE.read_text(encoding="utf-8").split())


def price_problem(model: str) -> str | None:
    """What is allowed instead of a model whose price is unknown; None if it is known."""
    if model in priced_models():
        return None
    similar = get_close_matches(model, sorted(priced_models()), n=3)
    alternative = f" or one of {', '.join(similar)}" if similar else ""
    return f"LiteLLM knows no price for it: give one under `price`{alternative}"
