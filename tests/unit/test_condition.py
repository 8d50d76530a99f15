"""What a health check said, in words."""

import json

import pytest

from ops.condition import in_words

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
