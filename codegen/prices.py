"""Writes `tenants/priced_models.txt` from LiteLLM's price map.

Usage: python -m codegen.prices FILE, where FILE is
`litellm/model_prices_and_context_window_backup.json` of the package of the version that
`images/images.yaml` names.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tenants.deployment import Provider
from tenants.prices import FILE

# By what a model is for: the prices of which LiteLLM needs one. A model that speaks for a price per
# token is none of them, since LiteLLM sees no token of what it says.
PRICES = {
    "chat": ("input_cost_per_token",),
    "responses": ("input_cost_per_token",),
    "embedding": ("input_cost_per_token",),
    "image_generation": ("output_cost_per_image", "output_cost_per_image_token"),
    "audio_speech": ("input_cost_per_character",),
    "audio_transcription": ("input_cost_per_second",),
}


def priced_models(prices: dict[str, dict[str, Any]]) -> list[str]:
    """Names, with their provider, of the models that have a price, and what each is for."""
    return sorted(
        {
            f"{entry['litellm_provider']}/{_model(name, entry['litellm_provider'])} {entry['mode']}"
            for name, entry in prices.items()
            if entry.get("litellm_provider") in list(Provider)
            and any(entry.get(price) for price in PRICES.get(entry.get("mode", ""), ()))
            and not _is_live(entry)
        }
    )


def _model(name: str, provider: str) -> str:
    """A model's name at its provider, without the size and the quality that prices differ by."""
    if provider in (Provider.OPENAI, Provider.ANTHROPIC, Provider.GEMINI):
        return name.rpartition("/")[2]
    return name.removeprefix(f"{provider}/")


def _is_live(entry: dict[str, Any]) -> bool:
    """Whether it answers nothing but calls that stay open, which the gateway does not take."""
    endpoints = entry.get("supported_endpoints") or [""]
    return all("/realtime" in endpoint for endpoint in endpoints)


if __name__ == "__main__":
    price_map = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    FILE.write_text("\n".join(priced_models(price_map)) + "\n", encoding="utf-8")
