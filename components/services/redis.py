"""Redis (Valkey): cache, rate limits and sessions, kept on disk."""

from collections.abc import Iterator

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
"""The users of the services: each has its own keys and commands, and nothing else.

Nobody lists the keys of others, empties Redis, or reads its settings.
"""


def service(tenant: Tenant, image: Image) -> ServiceSpec:
    """The tenant's key-value store."""
    # The rest is for copies of pages while the append-only file is rewritten.
    max_memory = tenant.redis.memory_mb * 6 // 10
    return ServiceSpec(
        name="redis",
        image=image,
        user=_USER,
        command=["valkey-server", _CONFIG, "--maxmemory", f"{max_memory}mb"],
        resources=tenant.redis,
        networks=[DATA],
        healthcheck=Healthcheck(command=f"{_PING} | grep -qx PONG", start_seconds=60),
        files={_CONFIG: script("valkey.conf")},
        secret_files={"users.conf": SecretText([PUBLIC_USERS, *_users()])},
        storage=Storage(path="/data"),
    )


def redis_url(user: str, *, database: int) -> SecretText:
    """Address of one of the numbered databases, for one of its users."""
    return SecretText([f"redis://{user}:", _password(user), f"@redis:6379/{database}"])


def _users() -> Iterator[str | SecretRef]:
    """The rules of each user, as Valkey's configuration says them."""
    for name, rules in USERS.items():
        yield from (f"user {name} on >", _password(name), f" resetchannels {rules}\n")


def _password(user: str) -> SecretRef:
    return SecretRef(f"redis-{user}")
