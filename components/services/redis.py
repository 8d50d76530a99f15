"""Redis (Valkey): cache, rate limits and sessions, kept on disk."""

from components.services.accounts import ValkeyUser, valkey_users
from components.spec import (
    DATA,
    Backup,
    Healthcheck,
    SecretRef,
    SecretText,
    ServiceSpec,
    Storage,
    script,
)
from components.stack_config import StackConfig
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


def service(tenant: Tenant, config: StackConfig, image: Image) -> ServiceSpec:
    """The tenant's key-value store."""
    # The rest is for copies of pages while the append-only file is rewritten.
    max_memory = tenant.redis.memory_mb * 6 // 10
    logins = [part for user in valkey_users(tenant, config) for part in _login(user)]
    return ServiceSpec(
        name="redis",
        image=image,
        user=_USER,
        command=["valkey-server", _CONFIG, "--maxmemory", f"{max_memory}mb"],
        resources=tenant.redis,
        networks=[DATA],
        healthcheck=Healthcheck(command=f"{_PING} | grep -qx PONG", start_seconds=60),
        files={_CONFIG: script("valkey.conf")},
        secret_files={"users.conf": SecretText([PUBLIC_USERS, *logins])},
        storage=Storage(path="/data"),
        backup=Backup(kind="keys"),
    )


def _login(user: ValkeyUser) -> list[str | SecretRef]:
    """A user as Valkey's configuration has it."""
    return [f"user {user.name} on >", SecretRef(user.secret), f" resetchannels {user.rules}\n"]
