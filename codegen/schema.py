"""Writes the `schema.json` of tenants and cores, which editors complete and check files with.

Usage: python -m codegen.schema
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from cli.environment import ROOT
from core.model import Core
from schema import duration
from tenants.model import Tenant

FILES: Mapping[Path, type[BaseModel]] = {
    ROOT / "tenants" / "schema.json": Tenant,
    ROOT / "core" / "schema.json": Core,
}


class _FileSchema(GenerateJsonSchema):
    """A schema whose defaults are as a file has them, and not as the program does."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        described = super().default_schema(schema)
        default = schema.get("default")
        if isinstance(default, BaseModel):
            described["default"] = {}
        elif described.get("pattern") == duration.PATTERN:
            described["default"] = duration.text(int(str(default)))
        return described


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a file."""
    described = model.model_json_schema(schema_generator=_FileSchema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}


def text(model: type[BaseModel]) -> str:
    """Text of the file."""
    return json.dumps(schema(model), indent=2) + "\n"


if __name__ == "__main__":
    for file, described in FILES.items():
        file.write_text(text(described), encoding="utf-8")
