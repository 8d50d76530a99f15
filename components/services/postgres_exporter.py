"""Metrics of PostgreSQL: activity, sizes, locks and write-ahead log."""

from typing import cast

from components.services.accounts import DatabaseRole
from components.services.exporter import exporter_service
from components.spec import ServiceSpec
from components.stack_config import StackConfig
from images.catalog import Image
from tenants.model import Exporter, Tenant

_PORT = 9187

_ROLE = DatabaseRole(name="postgres-exporter", member_of=("pg_monitor",))
DATABASE_ROLES = (_ROLE,)
"""It reads statistics and sizes, and no table."""


def service(tenant: Tenant, _: StackConfig, image: Image) -> ServiceSpec:
    """The exporter of a tenant whose file has its section."""
    return exporter_service(
        cast("Exporter", tenant.postgres_exporter),
        image,
        of="postgres",
        command=["postgres_exporter", f"--web.listen-address=:{_PORT}"],
        port=_PORT,
        up="pg_up",
        env={},
        secret_env={"DATA_SOURCE_NAME": _ROLE.url("postgresql", query="sslmode=disable")},
    )
