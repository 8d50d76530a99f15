"""Writes `tenants/priced_models.txt` from LiteLLM's price map.

Usage: python -m tools.prices FILE, where FILE is
`litellm/model_prices_and_context_window_backup.json` of the package of the version that
`images/images.yaml` names.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tenants.model import Provider
from tenants.prices import FILE

MODES = ("chat", "responses", "embedding")


def priced_models(prices: dict[str, dict[str, Any]]) -> list[str]:
    """Names, with their provider, of the models that have a price for a prompt's tokens."""
    return sorted(
        {
            f"{entry['litellm_provider']}/{name.rpartition('/')[2]}"
            for name, entry in prices.items()
            if entry.get("litellm_provider") in list(Provider)
            and entry.get("mode") in MODES
            and entry.get("input_cost_per_token")
        }
    )


if __name__ == "__main__":
    price_map = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    FILE.write_text("\n".join(priced_models(price_map)) + "\n", encoding="utf-8")
