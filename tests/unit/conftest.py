"""What the unit tests look at: a small tenant, and the program, run without any engine."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from components.stack_config import PROJECT, SECRET_KEYS
from ops.record import Recording, record
from ops.tools import ROOT
from tenants.loader import load
from tenants.model import Tenant

PARTS = ("postgres", "redis", "litellm", "openwebui")
KEYS = {
    "providerKeys": (
        '{"openai": "key-of-openai", "anthropic": "key-of-anthropic", "gemini": "key-of-gemini"}'
    ),
    "billingKey": "key-of-billing",
}

# Six lines, so that what a test appends starts in line 7, inside of `litellm`.
ACME = """\
slug: acme
name: Acme
openwebui:
  port: 3002
litellm:
  port: 4002
"""


def load_acme(folder: Path, text: str) -> Tenant:
    (folder / "acme.yaml").write_text(text, encoding="utf-8")
    return load("acme", hosts={}, folder=folder)


class StableValues:
    """Secrets that are the same in every run, and that a test can tell from other text."""

    def random_hex(self, name: str, *, length: int, keepers: Mapping[str, str]) -> str:
        seed = f"{name} {sorted(keepers.items())}"
        return sha256(seed.encode()).hexdigest()[: 2 * length]


def run_program(stack: str, **config: str) -> Recording:
    """The program for a stack of the repository; `config` as Pulumi hands it over."""
    return record(
        stack,
        config={f"{PROJECT}:{key}": value for key, value in config.items()},
        secret_keys=list(SECRET_KEYS),
        values=StableValues(),
        program=ROOT / "__main__.py",
    )


@pytest.fixture(scope="session")
def demo() -> Recording:
    return run_program("demo")


@pytest.fixture(scope="session")
def app() -> Recording:
    return run_program("app", **KEYS)
