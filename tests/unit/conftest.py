"""What the unit tests look at: a small tenant, and the program, run without any engine."""

import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cli.environment import ROOT
from cli.export.recording import Recording, program_file, record
from components.credentials import CoreCredentials
from components.spec import Deployment
from components.stack_config import PROJECT, SECRET_KEYS
from components.tenant import tenant_deployment
from tenants.loader import load
from tenants.model import Tenant

CORE_PARTS = ("pocketbase", "billing", "identity")
PARTS = ("postgres", "redis", "litellm", "openwebui")
KEYS = {
    "providerKeys": (
        '{"openai": "key-of-openai", "anthropic": "key-of-anthropic", "gemini": "key-of-gemini"}'
    ),
    "billingKey": "key-of-billing",
    "loginSecret": "secret-of-login",
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


def stable_value(name: str, keepers: Mapping[str, str]) -> str:
    """A secret that is the same in every run, and that a test can tell from other text."""
    return sha256(f"{name} {sorted(keepers.items())}".encode()).hexdigest()


def deployment_of(stack: str, **config: str) -> Deployment:
    """A tenant of the repository, with all keys; `config` as Pulumi has it."""
    return tenant_deployment(stack, ROOT, {**KEYS, **config}, no_core)


def no_core(core: str, slug: str) -> CoreCredentials:
    raise NotImplementedError(f"{slug} asks for the stack {core}")


def stable_secrets(deployment: Deployment) -> dict[str, str]:
    """The values of a deployment's secrets, those that are generated as `stable_value` does."""
    spec = deployment.spec
    return {
        each.name: deployment.given[each.name]
        if each.given
        else each.form(stable_value(spec.name(each.value_name), {"rotation": str(each.generation)}))
        for each in spec.secrets
    }


def run_program(stack: str, **config: str) -> Recording:
    """The program for a tenant of the repository, with all keys; `config` as Pulumi has it."""
    return _run(ROOT, stack, config)


def _run(root: Path, stack: str, config: Mapping[str, str]) -> Recording:
    return record(
        stack,
        project=PROJECT,
        config={**KEYS, **config},
        secret_keys=list(SECRET_KEYS),
        value=stable_value,
        program=program_file(root / "__main__.py"),
    )


def run_core(**config: str) -> Recording:
    """The core's program for the stack of the repository."""
    return record(
        "demo",
        project="cloudfreedom-core",
        config=config,
        secret_keys=[],
        value=stable_value,
        program=program_file(ROOT / "core" / "__main__.py"),
    )


def run_acme(more: str = "", **config: str) -> Recording:
    """The program for the smallest tenant and what is added, in a project of its own."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "tenants").mkdir()
        (root / "tenants" / "acme.yaml").write_text(ACME + more, encoding="utf-8")
        shutil.copy(ROOT / "__main__.py", root)
        return _run(root, "acme", config)


@pytest.fixture(scope="session")
def demo_deployment() -> Deployment:
    return deployment_of("demo")


@pytest.fixture(scope="session")
def demo() -> Recording:
    return run_program("demo")


@pytest.fixture(scope="session")
def acme() -> Recording:
    return run_acme()


@pytest.fixture(scope="session")
def core() -> Recording:
    return run_core()


@pytest.fixture(scope="session")
def app() -> Recording:
    return run_program("app")
