"""What is said of a container's state and of its health check."""

import json
from unittest.mock import Mock

import pytest

from cli.doctor.condition import in_words, past, state_problem

FULL = "is full: every request is refused until `redis.memory_mb` is raised"


@pytest.mark.parametrize(("said", "words"), [
    ({"loaded": True, "redis": FULL, "billing": "answers"}, f"Redis {FULL}"),
    ({"loaded": True, "redis": "does not answer", "billing": "answers"}, "Redis does not answer"),
    ({"loaded": False, "redis": "answers", "billing": "cannot be used: it answered 500"},
     "the budget guard is not loaded; the Billing API cannot be used: it answered 500"),
    ("psql: error", "psql: error"),
    ("", "its health check did not end in time"),
    ([1], "[1]"),
])  # fmt: skip
def test_what_a_health_check_said(said: object, words: str) -> None:
    assert in_words(said if isinstance(said, str) else json.dumps(said)) == words


@pytest.mark.parametrize(("events", "status", "problem"), [
    (["die", "stop"], "exited", "is exited (exit 0): `pulumi up` starts it"),
    (["die", "stop", "die", "stop"], "running", ""),
    (["die", "die", "stop"], "running", ""),
    (["die", "die"], "running", "ends again and again (restarted 0 times); it said last: the end"),
    (["die", "die"], "restarting",
     "ends again and again (restarted 0 times, exit 0); it said last: the end"),
])  # fmt: skip
def test_only_ends_that_nobody_asked_for_are_a_crash_loop(
    events: list[str], status: str, problem: str
) -> None:
    client, container = Mock(), Mock(id="1f", status=status, health="unknown")
    client.events.return_value = [{"Action": action} for action in events]
    container.logs.return_value = b"the end"
    container.attrs = {
        "State": {"ExitCode": 0, "StartedAt": "2026-01-02T03:04:05.678901234Z"},
        "RestartCount": 0,
    }
    happened = past(client, container)
    assert client.events.call_args.kwargs["filters"]["container"] == "1f"
    told = state_problem(container, happened, mend="pulumi up", memory="`redis.memory_mb`")
    assert told == problem
