"""The databases' metrics: what Prometheus finds there, and how little the exporters may do."""

import httpx
import pytest

from tests.e2e.conftest import Running
from tests.e2e.waiting import until

POSTGRES, REDIS = "postgres_exporter", "redis_exporter"


def metrics(running: Running, exporter: str) -> str:
    port = running.tenant[exporter]["port"]
    return httpx.get(f"http://127.0.0.1:{port}/metrics").raise_for_status().text


@pytest.mark.parametrize(("exporter", "lines"), [
    (POSTGRES, ["pg_up 1", 'pg_database_size_bytes{datname="openwebui"}',
                "pg_stat_activity_count{"]),
    (REDIS, ["redis_up 1", "redis_memory_used_bytes ", "redis_aof_enabled 1",
             'redis_commands_total{cmd="ping"}']),
])  # fmt: skip
def test_prometheus_finds_the_metrics(
    alpha_tenant: Running, exporter: str, lines: list[str]
) -> None:
    found = metrics(alpha_tenant, exporter)
    assert [line for line in lines if line not in found] == []


@pytest.mark.parametrize("exporter", [POSTGRES, REDIS])
def test_the_password_is_in_no_metric_and_no_log(alpha_tenant: Running, exporter: str) -> None:
    service = exporter.replace("_", "-")
    name = "DATA_SOURCE_NAME" if exporter == POSTGRES else "REDIS_PASSWORD"
    code, secret = alpha_tenant.run(service, "cat", f"/run/secrets/env/{name}")
    assert code == 0
    password = secret.rpartition("@")[0].rpartition(":")[2] or secret
    assert len(password) == 64
    assert password not in metrics(alpha_tenant, exporter)
    assert password not in alpha_tenant.log(service)


def test_an_exporter_reads_no_table(alpha_tenant: Running) -> None:
    """Nor is its role let into the database of a service."""
    role = 'SET ROLE "postgres-exporter";'
    code, said = alpha_tenant.run(
        "postgres",
        "psql",
        "-U",
        "postgres",
        "-d",
        "openwebui",
        "-c",
        f'{role} SELECT * FROM "user"',
    )
    assert code
    assert "permission denied" in said
    hba = alpha_tenant.run("postgres", "cat", "/etc/cloudfreedom/postgres/pg_hba.conf")[1]
    assert [line for line in hba.splitlines() if "postgres-exporter" in line] == [
        "host postgres postgres-exporter samenet scram-sha-256"
    ]


@pytest.mark.usefixtures("on_one_way")
def test_a_database_that_does_not_answer_is_seen(alpha_tenant: Running) -> None:
    container = alpha_tenant.container("redis")
    container.pause()
    try:
        until(lambda: "redis_up 0" in metrics(alpha_tenant, REDIS))
    finally:
        container.unpause()
    until(lambda: "redis_up 1" in metrics(alpha_tenant, REDIS))
