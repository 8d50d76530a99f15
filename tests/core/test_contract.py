"""The Billing API against its descriptions, by whatever Schemathesis can think of."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from cli.environment import ROOT
from core.services.billing.app import create
from tests.core.billing import OPERATOR, billing, key_of, told
from tests.core.processes import AppProcess, PocketBaseProcess

BLUE = told("blue", default_budget={"amount": "1000", "period": "month"})
EXAMPLES = 100
CALENDARS_ENDS = ("0001-01-01", "9999-12-31")

contract = schemathesis.openapi.from_path(ROOT / "docs" / "billing-api.yaml")
# What the service says of the operator's part at /openapi.json.
provisioning = schemathesis.openapi.from_dict(create().openapi())


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    folder = tmp_path_factory.mktemp("contract")
    with (
        PocketBaseProcess(folder=folder) as pocketbase,
        billing(folder, pocketbase, BLUE) as process,
    ):
        yield process


@contract.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:  # noqa: ARG001
    """Ask about the key's own tenant: about all others there is but one answer."""
    for each in body if isinstance(body, list) else [body]:
        if isinstance(each, dict) and isinstance(each.get("tenant_id"), str):
            each["tenant_id"] = "blue"
        # No schema says that a moment is in the calendar's years in UTC, too; another test does.
        if isinstance(each, dict) and str(each.get("ended_at")).startswith(CALENDARS_ENDS):
            each["ended_at"] = "2026" + each["ended_at"][4:]
        # Nor that the core's currency is the only one; another test does.
        if isinstance(each, dict) and re.fullmatch("[A-Z]{3}", str(each.get("currency"))):
            each["currency"] = "EUR"
    return body


@contract.parametrize()
@settings(max_examples=EXAMPLES)
def test_tenants_are_answered_as_the_contract_says(
    case: schemathesis.Case[Any], process: AppProcess
) -> None:
    # The key is always sent, so that without a body there may be nothing wrong with a request.
    excluded: list[Any] = [negative_data_rejection] if case.method == "GET" else []
    case.call_and_validate(
        base_url=process.url, headers={"X-API-Key": key_of("blue")}, excluded_checks=excluded
    )


@provisioning.parametrize()
@settings(max_examples=EXAMPLES // 10)
def test_the_operator_is_answered_as_described(
    case: schemathesis.Case[Any], process: AppProcess
) -> None:
    case.call_and_validate(
        base_url=process.url,
        headers={"X-API-Key": OPERATOR},
        # A description does not say what PocketBase takes for an e-mail.
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )
