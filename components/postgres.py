"""PostgreSQL: one database and one role each for LiteLLM and Open WebUI."""

import pulumi

from components.part import PartArgs
from components.service import Health, Service, ServiceArgs, Storage, script

_USER = 999  # `postgres` in the image
_FILES = "/etc/cloudfreedom/postgres"


class Postgres(pulumi.ComponentResource):
    """The tenant's database server, with its roles and passwords reconciled at every start."""

    def __init__(self, *, args: PartArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        tenant = args.tenant
        super().__init__("cloudfreedom:tenant:Postgres", f"{tenant.slug}-postgres", None, opts)
        shared_buffers = tenant.postgres.memory_mb // 4
        service = ServiceArgs(
            part="postgres",
            image=args.image,
            user=_USER,
            command=[
                *("sh", f"{_FILES}/postgres.sh"),
                *("-c", "listen_addresses=*"),
                *("-c", f"hba_file={_FILES}/pg_hba.conf"),
                *("-c", f"shared_buffers={shared_buffers}MB"),
            ],
            limits=tenant.postgres,
            networks=[args.networks.data],
            health=Health(command="psql -XqtA -U postgres -d openwebui -c 'SELECT 1'"),
            env={"PGDATA": "/var/lib/postgresql/data/cluster"},
            files={
                f"{_FILES}/{name}": script(name)
                for name in ("postgres.sh", "pg_hba.conf", "reconcile.sql")
            },
            secret_files={
                "litellm-database": args.secrets.litellm_database,
                "openwebui-database": args.secrets.openwebui_database,
            },
            storage=Storage(volume=args.volumes.names["postgres"], path="/var/lib/postgresql/data"),
            stop_signal="SIGINT",  # ends sessions and writes a checkpoint
            stop_seconds=60,
            shared_mb=max(64, shared_buffers),  # parallel queries exchange rows there
        )
        child = pulumi.ResourceOptions(parent=self)
        self.service = Service(args=service, host=args.host, opts=child)
        self.register_outputs({})


def database_url(scheme: str, name: str, password: pulumi.Output[str]) -> pulumi.Output[str]:
    """Address of the database `name`, whose role has the same name."""
    return pulumi.Output.concat(scheme, "://", name, ":", password, "@postgres:5432/", name)
