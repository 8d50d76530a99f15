"""Backups: what is due, what is compared, and volumes that take turns whenever one is killed."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backup import files, keys, listing, metrics, restore, schedule, sets, status
from backup.databases import differences, sums
from backup.errors import BackupError, run
from backup.plan import Plan, plan_of
from backup.schedule import due
from backup.status import Status
from cli.export.recording import CONTAINER, Recording
from components.spec import SecretJson, ServiceSpec
from components.stack_config import StackConfig, parse_stack_config
from components.tenant import tenant_deployment
from tests.unit.conftest import ACME, run_acme, run_core

NIGHTLY = "30 2 * * *"
MORNING = datetime(2026, 11, 27, 6, tzinfo=UTC)
REPOSITORY = '{"repository": "/srv/backups/acme"}'


def plan(**more: Any) -> Plan:
    values: dict[str, Any] = {
        "slug": "acme",
        "program": "1",
        "images": {},
        "repository": "/repository",
        "schedule": NIGHTLY,
        "proofs": "0 4 * * 0",
        "keep": {"daily": 7},
        "append_only": False,
        "upload_kib": 0,
        "sources": [],
    }
    return Plan(**values | more)


def at(hour: int, day: int = 27) -> str:
    return datetime(2026, 11, day, hour, tzinfo=UTC).isoformat()


# --- when


@pytest.mark.parametrize(("made", "tried", "is_due"), [
    ("", "", True),  # the first is made at once
    (at(3), at(3), False),
    (at(1), at(1), True),  # a container that was away at night
    (at(1), at(5), True),
    (at(1), "2026-11-27T05:30:00+00:00", False),  # it failed half an hour ago
    ("", "2026-11-27T05:30:00+00:00", False),
])  # fmt: skip
def test_a_set_is_due_whatever_was_missed(made: str, tried: str, is_due: bool) -> None:
    assert due(NIGHTLY, MORNING, made=made, tried=tried) is is_due


@pytest.mark.parametrize(("known", "state"), [
    (Status(proven={}), listing.STALE),
    (Status(made=at(3), proven={}), listing.UNPROVEN),
    (Status(made="2026-11-27T05:30:00+00:00", proven={}), listing.OK),  # its proof is under way
    (Status(made=at(3), proven={"a": at(4, day=25)}), listing.OK),
    (Status(made=at(3), proven={"a": at(4, day=10)}), listing.UNPROVEN),
    (Status(made=at(3, day=25), proven={"a": at(4, day=25)}), listing.STALE),
    (Status(made=at(3), failure="no room", proven={"a": at(4)}), listing.FAILED),
    (Status(made=at(3), proof_failure="a table", proven={"a": at(4)}), listing.FAILED),
])  # fmt: skip
def test_the_state_is_told(known: Status, state: str) -> None:
    assert listing.judge(plan(), known, MORNING)[0] == state


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The volume of a container of backups, whose status is kept there."""
    monkeypatch.setattr(status, "_FILE", tmp_path / "status.json")
    return tmp_path


@pytest.mark.usefixtures("container")
def test_a_stack_made_anew_waits_for_its_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set of the empty stack would be the newest, and the next to be restored."""
    old = {"short_id": "0123abcd", "time": at(2, day=20)}
    monkeypatch.setattr(schedule, "Repository", lambda _: SimpleNamespace(sets=lambda: [old]))
    assert "0123abcd" in schedule._adopt(plan())
    known = status.load_status()
    assert not due(NIGHTLY, datetime.now(UTC), made=known.adopted, tried="")
    assert schedule._adopt(plan()) == "", "the next turn makes one"
    moment = datetime.now(UTC)
    assert listing.judge(plan(), known, moment)[0] == listing.OK
    assert listing.judge(plan(), known, moment + timedelta(days=3))[0] == listing.STALE


@pytest.mark.usefixtures("container")
def test_data_are_safe_in_two_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest may be the one that is damaged."""
    monkeypatch.setattr(sets, "DATA", status._FILE.parent)
    made: list[str] = []

    def make(_: Plan) -> str:
        if len(made) == 2:
            raise BackupError("no room")
        made.append(status.load_status().tried)
        return f"set-{len(made)}"

    monkeypatch.setattr(sets, "_make", make)
    monkeypatch.setattr(status, "now", partial(next, iter(str(number) for number in range(9))))
    known = []
    for _ in range(2):
        sets.make(plan())
        known.append(status.load_status())
    with pytest.raises(BackupError):
        sets.make(plan())
    known.append(status.load_status())
    assert [(each.begun, each.safe) for each in known] == [("0", ""), ("2", "0"), ("2", "0")]


@pytest.mark.usefixtures("container")
def test_metrics_are_what_prometheus_reads() -> None:
    status.change(begun=at(2), safe=at(2, day=26), failure="no room")
    families = text_string_to_metric_families("".join(metrics.exposition(plan())))
    samples = {
        (each.name, each.labels.get("state", "")): each.value
        for family in families
        for each in family.samples
    }
    assert samples == {
        ("backup_state", "fine"): 0,
        ("backup_state", "failed"): 1,
        ("backup_state", "stale"): 0,
        ("backup_state", "unproven"): 0,
        ("backup_last_set_timestamp_seconds", ""): datetime.fromisoformat(at(2)).timestamp(),
        ("backup_last_proof_timestamp_seconds", ""): 0,
        ("backup_safe_timestamp_seconds", ""): datetime.fromisoformat(at(2, day=26)).timestamp(),
    }


@pytest.mark.usefixtures("container")
def test_a_new_stack_is_backed_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "Repository", lambda _: SimpleNamespace(sets=list))
    assert schedule._adopt(plan()) == ""
    assert status.load_status() == Status(proven={})


# --- what


def test_rows_that_differ_are_named() -> None:
    wanted = {"openwebui": sums('public.chat|3|-17\npublic."user"|2|5\n')}
    assert differences(wanted, wanted) == []
    found = {"openwebui": sums('public.chat|2|9\npublic."user"|2|6\n')}
    assert differences(wanted, found) == [
        "openwebui: public.chat has 2 instead of 3 rows",
        'openwebui: public."user" has other rows than before',
    ]
    assert differences(wanted, {}) == [
        "openwebui: public.chat has no instead of 3 rows",
        'openwebui: public."user" has no instead of 2 rows',
    ]


def test_databases_of_sqlite_are_copied_whole(tmp_path: Path) -> None:
    volume, copies = tmp_path / "volume", tmp_path / "copies"
    (volume / "deep").mkdir(parents=True)
    (volume / "note.txt").write_text("SQLite format")
    (volume / files.OURS).mkdir()
    (volume / files.OURS / "old").write_text("not counted")
    with closing(sqlite3.connect(volume / "deep" / "data.db")) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("CREATE TABLE t AS SELECT 1 AS n")
        database.commit()
        # It is still open: the row is in the write-ahead log alone.
        counted = files.dump(volume, copies)
        excluded = files.excluded(volume)
    assert counted["files"] >= 2
    assert [path.name for path in copies.rglob("*") if path.is_file()] == ["data.db"]
    with closing(sqlite3.connect(copies / "deep" / "data.db")) as copy:
        assert copy.execute("SELECT n FROM t").fetchall() == [(1,)]
    assert str(volume / "deep" / "data.db-wal") in excluded
    assert str(volume / "note.txt") not in excluded


def test_a_damaged_copy_of_a_database_is_seen(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "data.db")) as database:
        database.execute("CREATE TABLE t AS SELECT hex(randomblob(9000)) AS text")
        database.commit()
    files.check(tmp_path)
    whole = (tmp_path / "data.db").read_bytes()
    (tmp_path / "data.db").write_bytes(whole[:4096] + bytes(4096) + whole[8192:])
    with pytest.raises(BackupError, match=r"^data\.db: "):
        files.check(tmp_path)


def test_a_dump_of_keys_is_put_where_a_start_reads_it(tmp_path: Path) -> None:
    (tmp_path / keys.NAME).write_bytes(b"keys")
    keys.place(tmp_path)
    found = {path.name: path.read_bytes() for path in (tmp_path / "appendonlydir").iterdir()}
    base = "appendonly.aof.1.base.rdb"
    assert found == {
        base: b"keys",
        "appendonly.aof.manifest": f"file {base} seq 1 type b\n".encode(),
    }


def test_a_program_that_fails_says_why() -> None:
    with pytest.raises(BackupError, match=r"^sh failed: no such luck$"):
        run(["sh", "-c", "echo no such luck >&2; exit 1"])


# --- taking turns

SERVICES = ("redis", "openwebui")
LIVING = {"redis": {"a": "old a", "both": "old"}, "openwebui": {"both": "old"}}
RESTORED = {"redis": {"b": "new b", "both": "new"}, "openwebui": {"both": "new", "c": "new c"}}


@pytest.fixture
def volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two volumes, with a set beside the living data of each."""
    monkeypatch.setattr(restore, "TARGETS", tmp_path)
    for service in SERVICES:
        restore.incoming(service)
        for folder, content in (
            (tmp_path / service, LIVING[service]),
            (restore.incoming(service), RESTORED[service]),
        ):
            for name, text in content.items():
                (folder / name).write_text(text)
    return tmp_path


def content(volumes: Path) -> dict[str, dict[str, str]]:
    return {
        service: {
            path.name: path.read_text() for path in (volumes / service).iterdir() if path.is_file()
        }
        for service in SERVICES
    }


def killed_at(number: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do something that ends at its `number`-th rename; whether it came so far."""
    renames = 0
    rename = Path.rename

    def counting(self: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        if renames > number:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", counting)
        try:
            act()
        except KeyboardInterrupt:
            return True
    return False


def test_a_set_takes_the_place_of_the_living_data_and_gives_it_back(volumes: Path) -> None:
    restore.take(SERVICES)
    restore.finish(SERVICES)
    assert content(volumes) == RESTORED
    assert restore.phase() == restore.Phase.DONE
    restore.give_back(SERVICES)
    assert content(volumes) == LIVING
    assert restore.phase() == restore.Phase.NONE
    assert not list(volumes.rglob(files.OURS))


@pytest.mark.parametrize("number", range(8))
def test_a_restore_that_is_killed_is_taken_back(
    volumes: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(number, lambda: restore.take(SERVICES), monkeypatch)
    assert restore.phase() == restore.Phase.SWITCHING
    restore.give_back(SERVICES)
    assert content(volumes) == LIVING


@pytest.mark.parametrize("number", range(8))
def test_a_way_back_that_is_killed_is_finished_by_the_next(
    volumes: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore.take(SERVICES)
    killed_at(number, lambda: restore.give_back(SERVICES), monkeypatch)
    restore.give_back(SERVICES)
    assert content(volumes) == LIVING


def test_what_was_restored_stays_when_the_rest_is_forgotten(volumes: Path) -> None:
    restore.take(SERVICES)
    restore.forget(SERVICES)
    assert content(volumes) == RESTORED
    restore.give_back(SERVICES)
    assert content(volumes) == RESTORED


# --- the service


def service(tmp_path: Path, config: str = REPOSITORY, tenant: str = ACME) -> ServiceSpec:
    (tmp_path / "tenants").mkdir(exist_ok=True)
    (tmp_path / "tenants" / "acme.yaml").write_text(tenant, encoding="utf-8")
    deployment = tenant_deployment("acme", tmp_path, {"backup": config}, lambda *_: None)  # type: ignore[arg-type]
    [found] = [each for each in deployment.spec.services if each.name == "backup"]
    return found


def test_its_plan_is_read_as_it_is_written(tmp_path: Path) -> None:
    written = plan_of(service(tmp_path).files["/etc/cloudfreedom/backup.json"])
    assert written.slug == "acme"
    assert written.repository == "/repository"
    assert written.keep == {"last": 3, "daily": 7, "weekly": 5, "monthly": 12}
    kinds = [(each.service, each.kind) for each in written.sources]
    assert kinds[-1] == ("openwebui", "files"), "files come last, so none that is named is missing"
    assert {("postgres", "databases"), ("redis", "keys")} < set(kinds)
    [databases] = [each.databases for each in written.sources if each.kind == "databases"]
    assert list(databases) == ["litellm", "openwebui"]


def test_a_set_has_all_that_the_data_cannot_be_read_without(tmp_path: Path) -> None:
    stack = service(tmp_path).secret_files["stack.json"]
    assert isinstance(stack, SecretJson)
    names = stack.names
    assert {"litellm-salt", "openwebui-session", "openwebui-admin", "backup-password"} <= names
    text = json.loads(stack.render({name: f"value of {name}" for name in names}))
    assert text["file"] == ACME
    assert json.loads(text["config"]["backup"])["repository"] == "/srv/backups/acme"
    # What has another form is kept as it was generated.
    assert text["generated"]["litellm-master"]["hex"] == "value of litellm-master-value"


def test_it_has_no_way_out_but_to_a_repository_elsewhere(tmp_path: Path) -> None:
    assert service(tmp_path).networks == ["data"]
    elsewhere = service(tmp_path, '{"repository": "rest:https://backups.example.com/acme"}')
    assert elsewhere.networks == ["data", "apps"]
    assert elsewhere.host_folders == []
    assert not elsewhere.ports


def test_it_reads_everything_and_changes_nothing() -> None:
    recording = run_acme(backup=REPOSITORY)
    [container] = [c for c in recording.of_type(CONTAINER) if c.name == "acme-backup"]
    capabilities = container.inputs["capabilities"]
    assert capabilities["drops"] == ["ALL"]
    assert capabilities["adds"] == [
        *("CAP_CHOWN", "CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_SETGID", "CAP_SETUID")
    ]
    assert container.inputs["entrypoints"][2:] == [
        *("--user", "65534:65534", "--chown", "/data", "--chown", "/repository"),
        *("--keep", "dac_read_search"),
    ]
    writable = [each["target"] for each in container.inputs["mounts"] if not each.get("readOnly")]
    assert writable == ["/data", "/repository"]
    files = {each["file"]: each["content"] for each in _uploads(recording, "acme-postgres")}
    assert (
        "host litellm,openwebui backup samenet" in files["/etc/cloudfreedom/postgres/pg_hba.conf"]
    )


def _uploads(recording: Recording, name: str) -> list[dict[str, Any]]:
    [container] = [c for c in recording.of_type(CONTAINER) if c.name == name]
    return list(container.inputs["uploads"])


def test_a_core_is_backed_up_too() -> None:
    recording = run_core(backup=REPOSITORY)
    uploads = {each["file"]: each["content"] for each in _uploads(recording, "core-backup")}
    written = plan_of(uploads["/etc/cloudfreedom/backup.json"])
    assert [(each.service, each.kind) for each in written.sources] == [("pocketbase", "files")]
    assert recording.outputs["backup_password"]


def test_without_its_section_there_is_none() -> None:
    names = {each.name for each in run_acme().of_type(CONTAINER)}
    assert "acme-backup" not in names
    assert parse_stack_config(StackConfig, {}, project="p", stack="s").backup is None
