"""Two sizes of the tests: `make test`, and with `--all` what is left for `make test-all`."""

import pytest
from hypothesis import settings

# What takes long on a machine that is busy is not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run what is marked all_only, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    left = [item for item in items if item.get_closest_marker("all_only")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
