"""The recording that the unit tests look at: the program, run without any engine."""

from collections.abc import Mapping
from hashlib import sha256

import pytest

from components.stack_config import PROJECT
from ops.record import Recording, record
from ops.tools import ROOT

PROVIDER_KEYS = (
    '{"openai": "key-of-openai", "anthropic": "key-of-anthropic", "gemini": "key-of-gemini"}'
)


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
        secret_keys=[f"{PROJECT}:providerKeys"],
        values=StableValues(),
        program=ROOT / "__main__.py",
    )


@pytest.fixture(scope="session")
def demo() -> Recording:
    return run_program("demo")


@pytest.fixture(scope="session")
def app() -> Recording:
    return run_program("app", providerKeys=PROVIDER_KEYS)
