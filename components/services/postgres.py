"""PostgreSQL: the databases and roles of all services, reconciled at every start."""

import json
from collections.abc import Sequence

from components.services.accounts import DatabaseRole, database_roles
from components.spec import (
    DATA,
    Backup,
    Healthcheck,
    SecretRef,
    ServiceSpec,
    Storage,
    script,
)
from components.stack_config import StackConfig
from images.catalog import Image
from tenants.model import Tenant

_USER = 999  # `postgres` in the image
_FILES = "/etc/cloudfreedom/postgres"


def service(tenant: Tenant, config: StackConfig, image: Image) -> ServiceSpec:
    """The tenant's database server."""
    roles = database_roles(tenant, config)
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
            f"{_FILES}/postgres.sh": script("postgres.sh"),
            f"{_FILES}/reconcile.sql": script("reconcile.sql"),
            f"{_FILES}/roles.json": json.dumps([_reconciled(role) for role in roles], indent=2),
            f"{_FILES}/pg_hba.conf": _access(roles),
        },
        secret_files={role.secret: SecretRef(role.secret) for role in roles},
        storage=Storage(path="/var/lib/postgresql/data"),
        backup=Backup(
            kind="databases",
            databases=[role.name for role in roles if role.owns_database],
            on_restore={role.name: role.on_restore for role in roles if role.on_restore},
        ),
        stop_signal="SIGINT",  # ends sessions and writes a checkpoint
        stop_seconds=60,
        shared_mb=max(64, shared_buffers),  # parallel queries exchange rows there
    )


def _reconciled(role: DatabaseRole) -> dict[str, object]:
    """What `reconcile.sql` reads of a role."""
    return {
        "name": role.name,
        "owns_database": role.owns_database,
        "visits": role.visits,
        "member_of": role.member_of,
    }


def _access(roles: Sequence[DatabaseRole]) -> str:
    """Rules of access, as `pg_hba.conf`."""
    # The superuser comes in over the local socket only, each role from the data network only.
    owners = ",".join(role.name for role in roles if role.owns_database)
    lines = [
        f"host {owners if role.visits else role.database} {role.name} samenet scram-sha-256\n"
        for role in roles
    ]
    return "".join(["local all postgres peer\n", *lines])
