"""How stacks stand, as a person and a program read it."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from cli.status.gather import problems_of
from cli.status.model import (
    MISSING,
    BackupStatus,
    Difference,
    DiskStatus,
    GuardStatus,
    ServiceStatus,
    StackStatus,
)
from cli.status.table import details, overview
from cli.top.usage import cpu_percent

REDIS = ServiceStatus(service="redis", state="healthy", image="valkey:8.1", memory_mb=256)
GUARD = GuardStatus(billing="answers", outbox=0, outbox_seconds=0, refused=0)
FINE = StackStatus(
    name="acme",
    kind="tenant",
    address="unix:///var/run/docker.sock",
    up=True,
    services=[REDIS],
    backup=BackupStatus(state="fine"),
    guard=GUARD,
    disk=DiskStatus(used_percent=50, free_mb=9000),
    databases_mb={"openwebui": 9},
)
MEMORY = Difference(what="memory", wanted="256 MiB", found="300 MiB")


def printed(shown: RenderableType) -> str:
    text = io.StringIO()
    Console(file=text, width=200).print(shown)
    return text.getvalue()


def test_a_stack_that_is_fine_has_no_problem() -> None:
    assert list(problems_of(FINE)) == []


@pytest.mark.parametrize(("change", "said"), [
    ({"services": [REDIS.model_copy(update={"state": MISSING})]}, "redis is missing"),
    ({"services": [REDIS.model_copy(update={"drift": [MEMORY]})]},
     "redis: memory: not as the files say"),
    ({"backup": BackupStatus(state="failed", reason="no space left")},
     "backup: failed: no space left"),
    ({"guard": GUARD.model_copy(update={"billing": "does not answer"})},
     "the Billing API does not answer"),
    ({"guard": GUARD.model_copy(update={"outbox": 7, "outbox_seconds": 301})},
     "7 events wait for the Billing API"),
    ({"guard": GUARD.model_copy(update={"refused": 2})}, "the Billing API refused 2 events"),
    ({"disk": DiskStatus(used_percent=95, free_mb=10)}, "the disk is full to 95 %"),
])  # fmt: skip
def test_a_problem_is_a_sentence(change: dict[str, Any], said: str) -> None:
    assert list(problems_of(FINE.model_copy(update=change))) == [said]


def test_events_on_their_way_are_no_problem() -> None:
    guard = GUARD.model_copy(update={"outbox": 7, "outbox_seconds": 3})
    assert list(problems_of(FINE.model_copy(update={"guard": guard}))) == []


def test_all_stacks_are_a_line_each() -> None:
    core = StackStatus(name="prod", kind="core", problems=["is not up"])
    worse = FINE.model_copy(update={"name": "beta", "problems": ["one", "two", "three"]})
    _, *lines = printed(overview([FINE, worse, core])).splitlines()
    assert [line.split()[0] for line in lines] == ["acme", "beta", "prod"]
    assert lines[0].rstrip().endswith("fine")
    assert "one, and 2 more" in lines[1]
    assert "is not up" in lines[2]


def test_one_stack_shows_each_difference() -> None:
    redis = REDIS.model_copy(update={"drift": [MEMORY]})
    shown = printed(details(FINE.model_copy(update={"services": [redis]})))
    assert "redis: memory is 300 MiB, and should be 256 MiB" in shown
    assert "database openwebui: 9 MiB" in shown


def test_a_processor_is_a_hundred_percent() -> None:
    def stats(own: int, host: int) -> dict[str, Any]:
        return {"cpu_usage": {"total_usage": own}, "system_cpu_usage": host, "online_cpus": 4}

    both = {"cpu_stats": stats(1500, 10_000), "precpu_stats": stats(500, 6000)}
    assert cpu_percent(both) == 100
    first = {"cpu_stats": stats(1500, 10_000), "precpu_stats": {"cpu_usage": {"total_usage": 0}}}
    assert cpu_percent(first) == pytest.approx(60)
    assert cpu_percent({"cpu_stats": stats(1, 0), "precpu_stats": stats(1, 0)}) == 0
