"""A real PocketBase with the core's migrations and hooks, and what tests put into it."""

from collections.abc import Iterator

import pytest

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


@pytest.fixture(scope="session")
def identity(
    pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Identity]:
    """Identity and portal: whoever kills them, or needs other settings, makes their own."""
    with running(pocketbase, superuser, tmp_path_factory.mktemp("identity")) as identity:
        yield identity
