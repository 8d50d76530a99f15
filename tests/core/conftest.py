"""A real PocketBase with the core's migrations and hooks, and what tests put into it."""

from collections.abc import Iterator

import pytest

from core.services.settings import Settings, Tenant
from tests.core.identity import Identity, running
from tests.core.processes import PocketBaseProcess
from tests.core.superuser import Superuser


@pytest.fixture(scope="session")
def pocketbase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBaseProcess]:
    """One for all tests: whoever kills it makes one of their own."""
    with PocketBaseProcess(folder=tmp_path_factory.mktemp("pocketbase")) as process:
        with Superuser(process.url, process.password) as superuser:
            superuser.lift_limits()
        yield process


@pytest.fixture(scope="session")
def superuser(pocketbase: PocketBaseProcess) -> Iterator[Superuser]:
    with Superuser(pocketbase.url, pocketbase.password) as superuser:
        yield superuser


def settings(pocketbase: PocketBaseProcess, *tenants: Tenant, **changes: object) -> Settings:
    """What a core's process is told, for tenants that are not in PocketBase by other means."""
    told = {
        "name": "Tests",
        "public_url": "http://127.0.0.1:8090",
        "internal_url": "http://pocketbase-core:8090",
        "pocketbase_url": pocketbase.url,
        "currency": "EUR",
        "session_seconds": 3600,
        "tenants": tenants,
    }
    return Settings.model_validate(told | changes)


def tenant(slug: str, **changes: object) -> Tenant:
    """A tenant of the settings, with nobody in it."""
    told = {
        "slug": slug,
        "name": slug.title(),
        "chat_url": f"http://127.0.0.1/{slug}",
        "default_budget": None,
        "people": (),
    }
    return Tenant.model_validate(told | changes)


@pytest.fixture(scope="session")
def identity(
    pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Identity]:
    """Identity and portal: whoever kills them, or needs other settings, makes their own."""
    with running(pocketbase, superuser, tmp_path_factory.mktemp("identity")) as identity:
        yield identity
