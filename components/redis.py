"""Redis (Valkey): cache, rate limits and sessions, kept on disk."""

import pulumi

from components.part import PartArgs
from components.service import SECRETS, Health, Service, ServiceArgs, Storage, script

_USER = 999  # `valkey` in the image
_CONFIG = "/etc/cloudfreedom/redis/valkey.conf"
_PING = f'REDISCLI_AUTH="$(cat {SECRETS}/password)" valkey-cli ping'
# Whoever asks LiteLLM to empty its cache would otherwise empty everything: budgets and logins too.
_MAY = "~* &* +@all -flushall -flushdb"


class Redis(pulumi.ComponentResource):
    """The tenant's key-value store."""

    def __init__(self, *, args: PartArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        tenant = args.tenant
        super().__init__("cloudfreedom:tenant:Redis", f"{tenant.slug}-redis", None, opts)
        # The rest is for copies of pages while the append-only file is rewritten.
        max_memory = tenant.redis.memory_mb * 6 // 10
        service = ServiceArgs(
            part="redis",
            image=args.image,
            user=_USER,
            command=["valkey-server", _CONFIG, "--maxmemory", f"{max_memory}mb"],
            limits=tenant.redis,
            networks=[args.networks.data],
            health=Health(command=f"{_PING} | grep -qx PONG", start_seconds=60),
            files={_CONFIG: script("valkey.conf")},
            secret_files={
                "password": args.secrets.redis,
                "user.conf": pulumi.Output.concat(
                    "user default on >", args.secrets.redis, f" {_MAY}\n"
                ),
            },
            storage=Storage(volume=args.volumes.names["redis"], path="/data"),
        )
        child = pulumi.ResourceOptions(parent=self)
        self.service = Service(args=service, host=args.host, opts=child)
        self.register_outputs({})


def redis_url(password: pulumi.Output[str], *, database: int) -> pulumi.Output[str]:
    """Address of one of the numbered databases."""
    return pulumi.Output.concat("redis://:", password, f"@redis:6379/{database}")
