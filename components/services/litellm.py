"""LiteLLM: the model gateway, with the code of `gateway/` loaded into it."""

import yaml

from components.extra_hosts import core_hosts, model_hosts
from components.program_files import program_files
from components.secrets import BILLING_KEY, program_key, provider_key
from components.services.accounts import DatabaseRole, ValkeyUser
from components.services.gateway_config import gateway_config
from components.services.litellm_config import litellm_config, provider_key_env
from components.spec import (
    APPS,
    DATA,
    Healthcheck,
    PublishedPort,
    Secret,
    SecretRef,
    ServiceSpec,
    http_healthcheck,
    script,
)
from components.stack_config import StackConfig
from gateway.settings import api_key_env
from images.catalog import Image, ImageError
from tenants.model import Tenant

PORT = 4000
_USER = 65534  # `nobody` in the image
_FILES = "/etc/litellm"
_READY = f"http://127.0.0.1:{PORT}/health/readiness"
_GUARDED = f"http://127.0.0.1:{PORT}/health/guard"  # ready, and checking budgets

_DATABASE = DatabaseRole(name="litellm", owns_database=True)
DATABASE_ROLES = (_DATABASE,)
"""Its database stays while it is not used: see `litellm.database` of the tenant's file."""

_CACHE = ValkeyUser(
    # Cache, rate limits and coordination. Its scripts are bound to the same keys.
    name="litellm",
    rules="~litellm:* +@read +@write +@scripting +@transaction +@connection +time -@admin"
    " -@dangerous +info -function -fcall -fcall_ro -keys -scan -randomkey -dbsize",
)
_LEDGER = ValkeyUser(
    # What `gateway/ledger.py` sends, and what the functions of `gateway/ledger.lua` do.
    name="ledger",
    rules="~money:* +auth +hello +ping +client|setinfo +client|setname +fcall +function|load"
    " +time +get +set +setnx +hget +hset +hdel +hmget +hgetall +hexists +hincrby +hlen +zadd +zrem"
    " +zrangebyscore +xadd +xdel +xrange +xrevrange +xtrim +xlen +xread",
)
VALKEY_USERS = (_CACHE, _LEDGER)


def service(tenant: Tenant, _: StackConfig, image: Image) -> ServiceSpec:
    """The tenant's gateway to its models.

    Raises:
        ImageError: the image cannot use the database that the tenant's file asks for.
    """
    litellm = tenant.litellm
    if litellm.database and not image.can("database"):
        raise ImageError(
            f"litellm.database: {image.reference} cannot use a database:"
            f" {image.lacks['database']}. Use the official image of LiteLLM, or leave the key out."
        )
    return ServiceSpec(
        name="litellm",
        image=image,
        user=_USER,
        command=_program(tenant),
        resources=litellm,
        networks=[DATA, APPS],
        healthcheck=Healthcheck(command=http_healthcheck(_GUARDED if tenant.billing else _READY)),
        after=["postgres", "redis"] if litellm.database else ["redis"],
        env=_env(),
        secret_env=_secret_env(tenant),
        files={
            f"{_FILES}/config.yaml": yaml.safe_dump(litellm_config(tenant), sort_keys=False),
            f"{_FILES}/litellm.sh": script("litellm.sh"),
            f"{_FILES}/gateway.json": gateway_config(tenant).model_dump_json(indent=2),
            **program_files(
                *("asgi/*.py", "gateway/*.py", "gateway/*.lua", "gateway/adapter/*.py"),
                "money/*.py",
                folder=_FILES,
            ),
        },
        ports=[PublishedPort(address=str(tenant.bind), host_port=litellm.port, port=PORT)],
        extra_hosts=sorted({*core_hosts(tenant), *model_hosts(litellm)}),
    )


def _env() -> dict[str, str]:
    return {
        "PYTHONPATH": _FILES,
        "LITELLM_CONFIG": f"{_FILES}/config.yaml",
        "HOME": "/tmp",
        "REDIS_HOST": "redis",
        "REDIS_PORT": "6379",
        "REDIS_USERNAME": _CACHE.name,
        # The price map of the package: one that is downloaded could change what things cost.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY_DISABLED": "true",
        # Otherwise what large bodies took is kept, in pieces that nothing else fits into.
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
        "MALLOC_TRIM_THRESHOLD_": str(8 * 1024 * 1024),
        "LITELLM_DONT_SHOW_FEEDBACK_BOX": "true",
        # LiteLLM's own place for it is `/`, where nobody looks.
        "DOCS_URL": "/docs",
        "ROOT_REDIRECT_URL": "/docs",
    }


def _secret_env(tenant: Tenant) -> dict[str, Secret]:
    litellm = tenant.litellm
    env: dict[str, Secret] = {
        "LITELLM_MASTER_KEY": SecretRef("litellm-master"),
        "OPENWEBUI_API_KEY": SecretRef("litellm-openwebui"),
        "OPENWEBUI_JWT_SECRET": SecretRef("openwebui-identity"),
        "REDIS_PASSWORD": SecretRef(_CACHE.secret),
        "LEDGER_REDIS_PASSWORD": SecretRef(_LEDGER.secret),
        **{api_key_env(key.name): SecretRef(program_key(key.name)) for key in litellm.keys},
        **{
            provider_key_env(name): SecretRef(provider_key(name))
            for name in litellm.provider_key_names
        },
    }
    if tenant.billing:
        env["BILLING_API_KEY"] = SecretRef(BILLING_KEY)
    if litellm.database:
        env["DATABASE_URL"] = _DATABASE.url("postgresql")
        env["LITELLM_SALT_KEY"] = SecretRef("litellm-salt")
    return env


def _program(tenant: Tenant) -> list[str]:
    """LiteLLM, with the sender beside it where something is to be sent."""
    if tenant.billing:
        return ["sh", f"{_FILES}/litellm.sh"]
    return ["python3", "-P", "-m", "gateway.adapter.app"]
