"""Redis (Valkey): cache, rate limits and sessions, kept on disk."""

import pulumi

from components.part import PartArgs
from components.secrets import Secrets
from components.service import Health, Service, ServiceArgs, Storage, script

_USER = 999  # `valkey` in the image
_CONFIG = "/etc/cloudfreedom/redis/valkey.conf"
_PING = "valkey-cli --user health --pass '' --no-auth-warning ping"

PUBLIC_USERS = "user default off ~* &* +@all\nuser health on nopass +ping\n"
"""Users without a password: the health check may ask whether Valkey answers.

Nobody can be the default user, but Valkey itself: it is the one who reads the append-only file at a
start, and whatever a script or a function wrote is left out of what it may not do.
"""

USERS = {
    # LiteLLM's cache, rate limits and coordination. Its scripts are bound to the same keys.
    "litellm": "~litellm:* +@read +@write +@scripting +@transaction +@connection +time -@admin"
    " -@dangerous +info -function -fcall -fcall_ro -keys -scan -randomkey -dbsize",
    # What `gateway/ledger.py` sends, and what the functions of `gateway/ledger.lua` do.
    "ledger": "~money:* +auth +hello +ping +client|setinfo +client|setname +fcall +function|load"
    " +time +get +set +setnx +hget +hset +hdel +hmget +hgetall +hexists +hincrby +hlen +zadd +zrem"
    " +zrangebyscore +xadd +xdel +xrange +xlen +xread",
    "openwebui": "~open-webui:* &open-webui:* &socketio* +@read +@write +@pubsub +@scripting"
    " +@transaction +@connection +time -@admin -@dangerous -function -fcall -fcall_ro -keys -scan"
    " -randomkey -dbsize",
}
"""The parts' users: each has its own keys and commands, and nothing else.

Nobody lists the keys of others, empties Redis, or reads its settings.
"""


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
            secret_files={"users.conf": _users(args.secrets)},
            storage=Storage(volume=args.volumes.names["redis"], path="/data"),
        )
        child = pulumi.ResourceOptions(parent=self)
        self.service = Service(args=service, host=args.host, opts=child)
        self.register_outputs({})


def redis_url(user: str, password: pulumi.Output[str], *, database: int) -> pulumi.Output[str]:
    """Address of one of the numbered databases, for one of its users."""
    return pulumi.Output.concat(f"redis://{user}:", password, f"@redis:6379/{database}")


def _users(secrets: Secrets) -> pulumi.Output[str]:
    passwords = {
        "litellm": secrets.redis_litellm,
        "ledger": secrets.redis_ledger,
        "openwebui": secrets.redis_openwebui,
    }
    lines = [user_line(name, password) for name, password in passwords.items()]
    return pulumi.Output.concat(PUBLIC_USERS, *lines)


def user_line(name: str, password: pulumi.Input[str]) -> pulumi.Output[str]:
    """The rules of one user, as Valkey's configuration says them."""
    return pulumi.Output.concat(f"user {name} on >", password, f" resetchannels {USERS[name]}\n")
