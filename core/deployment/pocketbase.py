"""PocketBase: people, budgets and usage, and the only part of a core that keeps data."""

import pulumi

from components.service import Health, Listener, Service, ServiceArgs, Storage, answers
from core.deployment.part import CODE, USER, CorePartArgs, code
from core.deployment.settings import POCKETBASE

PORT = 8090
_ADMIN = "admin@core.internal"
_FILES = f"{CODE}/core/pocketbase"
_DATA = "/data"


class PocketBase(pulumi.ComponentResource):
    """The core's database, which only the core's own services reach.

    Attributes:
        outputs: how its operator gets in.
    """

    def __init__(self, *, args: CorePartArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        core = args.core
        super().__init__("cloudfreedom:core:PocketBase", f"{core.slug}-pocketbase", None, opts)
        admin = core.pocketbase.admin_port
        service = ServiceArgs(
            part="pocketbase",
            image=args.image,
            user=USER,
            command=[
                *("pocketbase", "serve", "--http", f"0.0.0.0:{PORT}", "--dir", _DATA),
                *("--migrationsDir", f"{_FILES}/migrations", "--hooksDir", f"{_FILES}/hooks"),
                *("--automigrate=false", "--hooksWatch=false"),
            ],
            limits=core.pocketbase,
            networks=[args.networks.data, *([args.networks.apps] if admin else [])],
            health=Health(command=answers(f"http://127.0.0.1:{PORT}/api/health")),
            env={"SUPERUSER_EMAIL": _ADMIN, "GOMEMLIMIT": _heap(core.pocketbase.memory_mb)},
            secret_env={
                "SUPERUSER_PASSWORD": args.secrets.superuser,
                "SERVICES_PASSWORD": args.secrets.services,
            },
            files=code("core/pocketbase/**/*"),
            storage=Storage(volume=args.volumes.names["pocketbase"], path=_DATA),
            listeners=[Listener(address="127.0.0.1", host_port=admin, port=PORT)] if admin else [],
        )
        self.service = Service(
            args=service, host=args.host, opts=pulumi.ResourceOptions(parent=self)
        )
        self.outputs: dict[str, pulumi.Input[str]] = {
            "pocketbase_admin_url": f"http://127.0.0.1:{admin}/_/" if admin else POCKETBASE,
            "pocketbase_admin_email": _ADMIN,
            "pocketbase_admin_password": args.secrets.superuser,
        }
        self.register_outputs({})


def _heap(memory_mb: int) -> str:
    """What Go keeps of memory it needed once, so that the container's limit is not met by it."""
    return f"{memory_mb * 8 // 10}MiB"
