"""PostgreSQL: one database and one role each for LiteLLM and Open WebUI."""

import pulumi

from components.host import Host
from components.network import Networks
from components.secrets import Secrets
from components.service import Health, Service, ServiceArgs, Storage, script
from components.volumes import Volumes
from images.catalog import Image
from tenants.model import Tenant

_USER = 999  # `postgres` in the image
_FILES = "/etc/cloudfreedom/postgres"


class Postgres(pulumi.ComponentResource):
    """The tenant's database server, with its roles and passwords reconciled at every start."""

    def __init__(
        self,
        *,
        tenant: Tenant,
        image: Image,
        host: Host,
        networks: Networks,
        volumes: Volumes,
        secrets: Secrets,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudfreedom:tenant:Postgres", f"{tenant.slug}-postgres", None, opts)
        shared_buffers = tenant.postgres.memory_mb // 4
        args = ServiceArgs(
            tenant=tenant,
            part="postgres",
            image=image,
            user=_USER,
            command=[
                *("sh", f"{_FILES}/postgres.sh"),
                *("-c", "listen_addresses=*"),
                *("-c", f"hba_file={_FILES}/pg_hba.conf"),
                *("-c", f"shared_buffers={shared_buffers}MB"),
            ],
            limits=tenant.postgres,
            networks=[networks.data],
            health=Health(command="psql -XqtA -U postgres -d openwebui -c 'SELECT 1'"),
            env={"PGDATA": "/var/lib/postgresql/data/cluster"},
            files={
                f"{_FILES}/{name}": script(name)
                for name in ("postgres.sh", "pg_hba.conf", "reconcile.sql")
            },
            secret_files={
                "litellm-database": secrets.litellm_database,
                "openwebui-database": secrets.openwebui_database,
            },
            storage=Storage(volume=volumes.postgres, path="/var/lib/postgresql/data"),
            stop_signal="SIGINT",  # ends sessions and writes a checkpoint
            stop_seconds=60,
        )
        child = pulumi.ResourceOptions(parent=self)
        self.service = Service(args=args, host=host, opts=child)
        self.register_outputs({})


def database_url(scheme: str, name: str, password: pulumi.Output[str]) -> pulumi.Output[str]:
    """Address of the database `name`, whose role has the same name."""
    return pulumi.Output.concat(scheme, "://", name, ":", password, "@postgres:5432/", name)
