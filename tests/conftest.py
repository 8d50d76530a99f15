"""Two sizes of the tests: `make test`, and with `--all` the rest, for `make test-all`."""

import pytest
from hypothesis import settings

# A test that takes long on a busy machine is not wrong.
settings.register_profile("same examples", deadline=None, derandomize=True)
settings.register_profile("new examples", deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run what is marked all_only, too")


def pytest_configure(config: pytest.Config) -> None:
    """Let only `--all` look for new examples, so that a change does not fail by another's fault."""
    settings.load_profile("new examples" if config.getoption("--all") else "same examples")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    left = [item for item in items if item.get_closest_marker("all_only")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
