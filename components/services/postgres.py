"""PostgreSQL: one database and one role each for LiteLLM and Open WebUI.

Its roles and passwords are reconciled at every start.
"""

from components.spec import (
    DATA,
    Healthcheck,
    SecretRef,
    SecretText,
    ServiceSpec,
    Storage,
    script,
)
from images.catalog import Image
from tenants.model import Tenant

_USER = 999  # `postgres` in the image
_FILES = "/etc/cloudfreedom/postgres"


def service(tenant: Tenant, image: Image) -> ServiceSpec:
    """The tenant's database server."""
    shared_buffers = tenant.postgres.memory_mb // 4
    return ServiceSpec(
        name="postgres",
        image=image,
        user=_USER,
        command=[
            *("sh", f"{_FILES}/postgres.sh"),
            *("-c", "listen_addresses=*"),
            *("-c", f"hba_file={_FILES}/pg_hba.conf"),
            *("-c", f"shared_buffers={shared_buffers}MB"),
        ],
        resources=tenant.postgres,
        networks=[DATA],
        healthcheck=Healthcheck(command="psql -XqtA -U postgres -d openwebui -c 'SELECT 1'"),
        env={"PGDATA": "/var/lib/postgresql/data/cluster"},
        files={
            f"{_FILES}/{name}": script(name)
            for name in ("postgres.sh", "pg_hba.conf", "reconcile.sql")
        },
        secret_files={
            "litellm-database": SecretRef("litellm-database"),
            "openwebui-database": SecretRef("openwebui-database"),
        },
        storage=Storage(path="/var/lib/postgresql/data"),
        stop_signal="SIGINT",  # ends sessions and writes a checkpoint
        stop_seconds=60,
        shared_mb=max(64, shared_buffers),  # parallel queries exchange rows there
    )


def database_url(scheme: str, name: str) -> SecretText:
    """Address of the database `name`, whose role has the same name."""
    password = SecretRef(f"{name}-database")
    return SecretText([f"{scheme}://{name}:", password, f"@postgres:5432/{name}"])
