"""Writes `tenants/schema.json`, which editors complete and check tenant files with.

Usage: python -m tools.schema
"""

import json
from typing import Any

from tenants.loader import FOLDER
from tenants.model import Tenant

FILE = FOLDER / "schema.json"


def tenant_schema() -> dict[str, Any]:
    """JSON Schema of a tenant file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Tenant.model_json_schema()}


def text() -> str:
    """What the file should hold."""
    return json.dumps(tenant_schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
