"""The contract of the Billing API as the judge of what was sent, and of what was answered."""

import json
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from cli.environment import ROOT

URI = "urn:billing-api"
CONTRACT = yaml.safe_load((ROOT / "docs/billing-api.yaml").read_text(encoding="utf-8"))
REGISTRY: Registry[Any] = Registry().with_resource(URI, DRAFT202012.create_resource(CONTRACT))


def check_request(method: str, path: str, body: str | bytes) -> None:
    """Raise unless the contract knows a request with this body."""
    _check(("requestBody",), method, path, body)


def check_response(method: str, path: str, status: int, body: str | bytes) -> None:
    """Raise unless the contract knows an answer with this status and this body."""
    _check(("responses", str(status)), method, path, body)


def _check(place: tuple[str, ...], method: str, path: str, body: str | bytes) -> None:
    if validator := _validator(path, method.lower(), *place):
        validator.validate(json.loads(body))


@cache
def _validator(*place: str) -> Draft202012Validator | None:
    """For what is at a place under `paths`; None where the contract says nothing of a body."""
    found, pointer = CONTRACT["paths"], "#/paths"
    for step in place:
        assert step in found, f"the contract has no {' '.join(place)}"
        found, pointer = found[step], f"{pointer}/{step.replace('/', '~1')}"
    if "$ref" in found:
        pointer = found["$ref"]
        found = REGISTRY.resolver(URI).lookup(pointer).contents
    if "content" not in found:
        return None
    return Draft202012Validator(
        {"$ref": f"{URI}{pointer}/content/application~1json/schema"},
        registry=REGISTRY,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
