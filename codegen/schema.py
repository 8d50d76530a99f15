"""Writes the `schema.json` of tenants and cores, which editors complete and check files with.

Usage: python -m codegen.schema
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cli.environment import ROOT
from core.model import Core
from tenants.model import Tenant

FILES: Mapping[Path, type[BaseModel]] = {
    ROOT / "tenants" / "schema.json": Tenant,
    ROOT / "core" / "schema.json": Core,
}


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}


def text(model: type[BaseModel]) -> str:
    """Text of the file."""
    return json.dumps(schema(model), indent=2) + "\n"


if __name__ == "__main__":
    for file, described in FILES.items():
        file.write_text(text(described), encoding="utf-8")
