"""The steps of the end of a customer."""

from pathlib import Path
from typing import Any, cast

import pytest

from cli.deployers.deployer import DeployError
from cli.offboard import state
from cli.offboard.steps import Offboarding
from cli.running import RunningStack


class _Stack(RunningStack):
    """A stack whose containers need no Docker."""

    containers = cast("Any", {"backup": None})


def titles(**changes: Any) -> list[str]:
    settings: dict[str, Any] = {
        "name": "acme",
        "stack": _Stack("unix:///nowhere", "acme"),
        "root": Path("/project"),
        "export": Path("/data"),
        "core": _Stack("unix:///nowhere", "core-prod"),
        "backups": True,
        "state": True,
    }
    end = Offboarding(**settings | changes)
    return [step.title.split(" of ")[0].split(" in ")[0] for step in end.steps()]


def test_data_are_exported_before_anything_is_deleted() -> None:
    assert titles() == [
        "Export the accounts, chats and files",
        "Erase the people, budgets and usage",
        "Delete all sets",
        "Delete the containers, networks and volumes",
        "Delete the stack acme from Pulumi's state, with its secrets",
        "Delete the files",
    ]


def test_each_of_them_may_be_left_out() -> None:
    left = {"export": None, "core": None, "backups": False, "state": False}
    assert titles(**left) == ["Delete the containers, networks and volumes", "Delete the files"]
    exported = titles(**left, exported=Path("/export"))
    assert exported[1] == "Delete the secrets and the files"


def test_a_stack_that_pulumi_does_not_know_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(said: str) -> Any:
        def run(*_: object, **__: object) -> str:
            raise DeployError(said)

        return run

    monkeypatch.setattr(state, "run_tool", fails("error: no stack named 'acme' found"))
    state.remove_from_state("acme", Path())
    monkeypatch.setattr(state, "run_tool", fails("error: PULUMI_ACCESS_TOKEN must be set"))
    with pytest.raises(DeployError, match="PULUMI_ACCESS_TOKEN"):
        state.remove_from_state("acme", Path())
