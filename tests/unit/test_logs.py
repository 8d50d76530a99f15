"""Lines of all services in one form, without secrets."""

import json

import pytest

from cli.logs.line import Mask, parse

TIME = "2026-11-27T15:47:29.123456789Z"


@pytest.mark.parametrize(("written", "level", "text"), [
    ("2026-11-27 15:47:29.123 UTC [1] LOG:  ready", "info", "LOG:  ready"),
    ("2026-11-27 15:47:29.123 UTC [41] FATAL:  no such role", "error", "FATAL:  no such role"),
    ("1:M 27 Nov 2026 15:47:29.123 * Ready to accept", "", "Ready to accept"),
    ("2026-11-27 15:47:29.123 | WARNING  | open_webui.main:1 - old", "warning",
     "WARNING  | open_webui.main:1 - old"),
    ("\x1b[32mINFO\x1b[0m:     Application startup complete.", "info",
     "INFO:     Application startup complete."),
    ('{"event": "request", "status": 402, "payer": "ann"}', "", "request status=402 payer=ann"),
    ('{"event": "error", "message": "no", "logger": "gateway"}', "error", "no logger=gateway"),
    ('{"level": "warn", "msg": "slow"}', "warning", "slow"),
    ("{not json", "", "{not json"),
    ("[1, 2]", "", "[1, 2]"),
    ("", "", ""),
    ("an information for you", "", "an information for you"),
])  # fmt: skip
def test_a_line_says_when_who_and_how_bad(written: str, level: str, text: str) -> None:
    line = parse("redis", f"{TIME} {written}\n")
    assert (line.time, line.service) == ("2026-11-27T15:47:29Z", "redis")
    assert (line.level, line.text) == (level, text)
    assert json.loads(line.json)["text"] == text


def test_secrets_are_hidden_wherever_they_are() -> None:
    key, password = f"sk-{'0a' * 32}", "1b" * 32
    mask = Mask([key, f"postgresql://openwebui:{password}@postgres:5432/openwebui"])
    assert mask(f"key {key} at {password[:64]}!") == "key [secret] at [secret]!"
    assert mask("postgres at 5432, openwebui") == "postgres at 5432, openwebui"


def test_names_of_fields_are_no_secrets() -> None:
    assert (
        Mask(['{"pocketbase_password": "short"}'])("pocketbase_password") == "pocketbase_password"
    )


def test_without_secrets_nothing_is_hidden() -> None:
    assert Mask([])("a line") == "a line"
