"""Databases of PostgreSQL: dumped, and compared table by table."""

import os
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from backup.errors import BackupError, failure, run
from backup.plan import Source, secret

ROLE = "backup"

# A sum does not mind the order of rows; the settings make the text of a row the same everywhere.
SUMS = r"""
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET bytea_output = 'hex';
SET extra_float_digits = 1;
SELECT format(
    'SELECT %L, count(*), coalesce(sum(hashtextextended(every_column::text, 0)::numeric), 0)'
    ' FROM %s every_column', relation, relation
) FROM (
    SELECT c.oid::regclass::text AS relation FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
) AS tables ORDER BY relation \gexec
"""
"""Prints each table's name, its rows, and the sum of the hashes of its rows."""

PSQL = ("psql", "-XqAt", "--set=ON_ERROR_STOP=1")

Sums = dict[str, list[str]]


def dump(source: Source, folder: Path) -> dict[str, Sums]:
    """Write a dump of each database below a folder.

    Returns:
        The sums of the tables, by database.
    """
    environment = _environment()
    return {name: dump_one(name, folder / name, environment) for name in source.databases}


def sums(printed: str) -> Sums:
    """Rows and hashes by table, of the output of `SUMS`."""
    lines = (line.rsplit("|", 2) for line in printed.splitlines() if "|" in line)
    return {table: [rows, hashes] for table, rows, hashes in lines}


def differences(wanted: dict[str, Sums], found: dict[str, Sums]) -> list[str]:
    """A sentence for each table that is not as it was."""
    return [
        f"{database}: {table} has {_rows(found, database, table)} instead of {rows} rows"
        if _rows(found, database, table) != rows
        else f"{database}: {table} has other rows than before"
        for database, tables in wanted.items()
        for table, (rows, hashes) in tables.items()
        if found.get(database, {}).get(table) != [rows, hashes]
    ]


def _rows(found: dict[str, Sums], database: str, table: str) -> str:
    return found.get(database, {}).get(table, ["no"])[0]


def dump_one(
    database: str, folder: Path, environment: Mapping[str, str], leave_out: Collection[str] = ()
) -> Sums:
    """Write a dump of one database into a folder.

    Args:
        database: its name.
        folder: is made.
        environment: says where PostgreSQL is, and who asks.
        leave_out: tables and views, as `regclass` names them.

    Returns:
        Its sums.

    Raises:
        BackupError: with what PostgreSQL's tools say.
    """
    with _snapshot(database, environment) as snapshot:
        # Uncompressed: only so does the repository recognize what it has already.
        command = [
            *("pg_dump", "--format=directory", "--jobs=2", "--compress=none"),
            *(f"--exclude-table={name}" for name in leave_out),
            *(f"--snapshot={snapshot}", f"--file={folder}", database),
        ]
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True
        ) as dumping:
            try:
                text = _at(snapshot)
                tables = sums(run([*PSQL, database], environment=environment, stdin=text))
            except BaseException:
                dumping.kill()
                raise
            _, said = dumping.communicate()
        if dumping.returncode:
            raise BackupError(failure(command, said))
    return {table: found for table, found in tables.items() if table not in leave_out}


def _at(snapshot: str) -> str:
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    return f"{begin}\nSET TRANSACTION SNAPSHOT '{snapshot}';\n{SUMS}"


@contextmanager
def _snapshot(database: str, environment: Mapping[str, str]) -> Iterator[str]:
    """A state of a database that stays as it is, by PostgreSQL's name for it."""
    command = [*PSQL, database]
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as session:
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot();"
        with suppress(BrokenPipeError):
            print(begin, file=session.stdin, flush=True)
        snapshot = session.stdout.readline().strip() if session.stdout else ""
        if not snapshot:
            _, said = session.communicate()
            raise BackupError(failure(command, said))
        yield snapshot


def _environment() -> dict[str, str]:
    return os.environ | {
        "PGHOST": "postgres",
        "PGUSER": ROLE,
        "PGPASSWORD": secret(f"{ROLE}-database"),
        "PGCONNECT_TIMEOUT": "10",
    }
