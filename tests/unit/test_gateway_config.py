"""What the code inside LiteLLM is told about a tenant."""

from pathlib import Path
from typing import Any

import pytest

from cli.export.recording import CONTAINER, Recording
from components.services.gateway_config import gateway_config
from gateway.settings import Settings, api_key_env
from schema.types import UsdRate
from tenants.model import Tenant
from tests.unit.conftest import ACME, load_acme

MODELS = """\
  models:
    - name: small
      deployments: [{model: openai/gpt-4o-mini}]
    - name: big
      deployments: [{model: anthropic/claude-sonnet-4-5}]
    - name: long
      deployments: [{model: gemini/gemini-2.5-pro}]
"""


def told(tenant: Tenant) -> dict[str, Any]:
    return gateway_config(tenant).model_dump(mode="json")


def test_a_tenant_without_anything(tmp_path: Path) -> None:
    assert told(load_acme(tmp_path, ACME)) == {
        "tenant": "acme",
        "account": "api@acme",
        "login": False,
        "billing": None,
        "markup_percent": "0",
        "person": {"requests_per_minute": None, "tokens_per_minute": None},
        "keys": [],
        "max_body_bytes": 20 * 1024 * 1024,
        "body_memory_bytes": 512 * 1024 * 1024,
        "longest_request_seconds": 1860,
        "cache_ttl_seconds": 3600,
    }


def test_a_tenant_with_everything(tmp_path: Path) -> None:
    text = f"""{ACME}{MODELS}
  rate_limits: {{requests_per_minute: 20, tokens_per_minute: 9000}}
  keys:
    - name: reports
      user: reports@example.com
      models: [big, small]
      requests_per_minute: 60
    - name: night-batch
      user: batch@example.com
      tokens_per_minute: 100000
billing:
  url: https://billing.example.com/v2/
  check_path: /check
  log_path: /log
  batch: 1
  grace: 5m
  account: team@example.com
  markup_percent: 12.50
  contract: 2
  currency: EUR
  usd_rate: {{rate: "0.86", as_of: 2026-11-20}}
login: {{}}
"""
    assert told(load_acme(tmp_path, text)) == {
        "tenant": "acme",
        "account": "team@example.com",
        "login": True,
        "billing": {
            "url": "https://billing.example.com/v2",
            "check_path": "/check",
            "log_path": "/log",
            "batch": 1,
            "grace_seconds": 300,
            "contract": 2,
            "user_id": "subject",
            "currency": "EUR",
            "usd_rate": "0.86",
        },
        "markup_percent": "12.5",
        "person": {"requests_per_minute": 20, "tokens_per_minute": 9000},
        "keys": [
            {
                "name": "reports",
                "user": "reports@example.com",
                "models": ["big", "small"],
                "requests_per_minute": 60,
                "tokens_per_minute": None,
            },
            {
                "name": "night-batch",
                "user": "batch@example.com",
                "models": None,
                "requests_per_minute": None,
                "tokens_per_minute": 100_000,
            },
        ],
        "max_body_bytes": 20 * 1024 * 1024,
        "body_memory_bytes": 512 * 1024 * 1024,
        "longest_request_seconds": 1860,
        "cache_ttl_seconds": 3600,
    }


@pytest.mark.parametrize(("text", "seconds"), [
    ("  routing: {timeout: 30s, retries: 0}\n", 30 + 60),
    ("  routing: {timeout: 30s, retries: 3}\n", 30 * 4 + 60),
    (f"{MODELS}  routing: {{timeout: 30s, retries: 1}}\n"
     "  fallbacks: {small: [big], big: [small, long]}\n", 30 * 2 * 3 + 60),
    (f"{MODELS}  routing: {{timeout: 30s, retries: 1}}\n"
     "  fallbacks: {small: [big]}\n"
     "  context_window_fallbacks: {small: [long, big]}\n", 30 * 2 * 3 + 60),
])  # fmt: skip
def test_a_request_may_take_every_try_everywhere(tmp_path: Path, text: str, seconds: int) -> None:
    found = gateway_config(load_acme(tmp_path, ACME + text))
    assert found.longest_request_seconds == seconds


@pytest.mark.parametrize(("name", "variable"), [
    ("reports", "API_KEY_REPORTS"), ("night-batch", "API_KEY_NIGHT_BATCH"),
])  # fmt: skip
def test_a_key_has_its_variable(name: str, variable: str) -> None:
    assert api_key_env(name) == variable


def test_it_is_beside_the_code_with_and_without_billing(acme: Recording, app: Recording) -> None:
    for recording, slug in ((acme, "acme"), (app, "app")):
        [text] = [
            upload["content"]
            for container in recording.of_type(CONTAINER)
            for upload in container.inputs["uploads"]
            if upload["file"] == "/etc/litellm/gateway.json"
        ]
        read = Settings.model_validate_json(text)
        assert (read.tenant, read.billing is None) == (slug, slug == "acme")


CORE, OTHER = "{url: http://billing-api:3000}", "{url: 'https://billing.example.com'}"
KEYCLOAK = "login: {issuer: 'https://id.example.com/realms/acme'}\n"


@pytest.mark.parametrize(("billing", "login", "contract", "user_id"), [
    ("{}", "login: {}\n", 2, "subject"),
    (CORE, "login: {}\n", 2, "subject"),
    (CORE, "", 2, "email"),
    (CORE, KEYCLOAK, 2, "email"),
    (CORE, "login: {issuer: 'http://identity-core:8090'}\n", 2, "subject"),
    (CORE, "login: {issuer: 'http://pocketbase-core:8090'}\n", 2, "subject"),
    (CORE, "login: {issuer: 'http://keycloak:8080/realms/acme'}\n", 2, "email"),
    (CORE, "login: {issuer: 'http://[fd00::7]:8080'}\n", 2, "email"),
    (OTHER, "login: {}\n", 1, "email"),
    ("{url: 'https://billing.example.com', contract: 2}", "login: {}\n", 2, "subject"),
    ("{url: http://billing-api:3000, contract: 1}", "login: {}\n", 1, "email"),
    ("{url: 'https://billing.example.com', user_id: subject}", KEYCLOAK, 1, "subject"),
    ("{user_id: email}", "login: {}\n", 2, "email"),
])  # fmt: skip
def test_the_contract_and_the_name_of_people_follow_from_who_is_asked(
    tmp_path: Path, billing: str, login: str, contract: int, user_id: str
) -> None:
    found = gateway_config(load_acme(tmp_path, f"{ACME}billing: {billing}\n{login}"))
    assert (found.billed.contract, found.billed.user_id) == (contract, user_id)


@pytest.mark.parametrize(("text", "seconds"), [
    ("", 3600),
    ("  cache: {ttl: 5s}\n", 5),
    ("  cache: {mode: off}\n", None),
])  # fmt: skip
def test_answers_are_kept_as_long_as_the_file_says(
    tmp_path: Path, text: str, seconds: int | None
) -> None:
    found = gateway_config(load_acme(tmp_path, f"{ACME}{text}"))
    assert found.cache_ttl_seconds == seconds


RATE = UsdRate.model_validate_json('{"rate": "0.86", "as_of": "2026-11-20"}')


@pytest.mark.parametrize(("billing", "currency", "rate"), [
    ("{}", "EUR", "0.86"),
    ("{currency: EUR}", "EUR", "0.86"),
    ("{currency: EUR, usd_rate: {rate: 0.9, as_of: 2026-11-21}}", "EUR", "0.9"),
    ("{usd_rate: {rate: 0.9, as_of: 2026-11-21}}", "EUR", "0.9"),
    # The core's rate is not one to this currency.
    ("{currency: CHF}", "CHF", "1"),
    ("{currency: CHF, usd_rate: {rate: 0.8, as_of: 2026-11-21}}", "CHF", "0.8"),
])  # fmt: skip
def test_what_the_file_leaves_out_about_money_is_the_cores(
    tmp_path: Path, billing: str, currency: str, rate: str
) -> None:
    tenant = load_acme(tmp_path, f"{ACME}billing: {billing}\n").with_currency_of_core("EUR", RATE)
    found = gateway_config(tenant).billed
    assert (found.currency, str(found.usd_rate)) == (currency, rate)


def test_nothing_is_converted_for_a_core_that_counts_dollars(tmp_path: Path) -> None:
    text = f"{ACME}billing: {{usd_rate: {{rate: 0.9, as_of: 2026-11-21}}}}\n"
    found = gateway_config(load_acme(tmp_path, text).with_currency_of_core("USD", None)).billed
    assert (found.currency, str(found.usd_rate)) == ("USD", "1")


def test_a_tenant_without_budgets_takes_nothing_of_a_core(tmp_path: Path) -> None:
    tenant = load_acme(tmp_path, ACME)
    assert tenant.with_currency_of_core("EUR", RATE) == tenant


@pytest.mark.parametrize(("text", "max_body_mb", "expected_mb"), [
    ("  memory_mb: 1024\n  max_body_mb: 46\n", 46, 512),
    ("  memory_mb: 4096\n  max_body_mb: 200\n", 200, 3584),
    ("  memory_mb: 4096\n", 20, 3584),
    ("  database: true\n  max_body_mb: 200\n", 200, 3584),
    # The largest body is smaller where there is no memory for one of 20 MiB.
    ("  memory_mb: 622\n", 10, 110),
    ("  memory_mb: 512\n", 1, 11),
    ("  memory_mb: 512\n  max_body_mb: 1\n", 1, 11),
])  # fmt: skip
def test_bodies_have_what_memory_is_left(
    tmp_path: Path, text: str, max_body_mb: int, expected_mb: int
) -> None:
    found = gateway_config(load_acme(tmp_path, f"{ACME}{text}"))
    assert found.body_memory_bytes == expected_mb * 1024 * 1024
    assert found.max_body_bytes == max_body_mb * 1024 * 1024
