"""LiteLLM: the model gateway."""

from collections.abc import Sequence

import pulumi
import yaml

from components.core import core_hosts, model_hosts
from components.gateway_config import gateway_config
from components.litellm_config import litellm_config, provider_key_env
from components.part import PartArgs
from components.postgres import database_url
from components.program_files import program_files
from components.secrets import Secrets
from components.service import Health, Listener, Service, ServiceArgs, answers, script
from components.stack_config import Keys
from gateway.settings import api_key_env
from tenants.model import Tenant

PORT = 4000
_USER = 65534  # `nobody` in the image
_FILES = "/etc/litellm"
_READY = f"http://127.0.0.1:{PORT}/health/readiness"
_GUARDED = f"http://127.0.0.1:{PORT}/health/guard"  # ready, and checking budgets


class LiteLLM(pulumi.ComponentResource):
    """The tenant's gateway to its models, with the code of `gateway/` loaded into it."""

    def __init__(
        self,
        *,
        args: PartArgs,
        keys: Keys,
        after: Sequence[Service] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        tenant = args.tenant
        super().__init__("cloudfreedom:tenant:LiteLLM", f"{tenant.slug}-litellm", None, opts)
        service = ServiceArgs(
            part="litellm",
            image=args.image,
            user=_USER,
            command=_program(tenant),
            limits=tenant.litellm,
            networks=[args.networks.data, args.networks.apps],
            health=Health(command=answers(_GUARDED if tenant.billing else _READY)),
            env=_env(),
            secret_env=_secret_env(tenant, args.secrets, keys),
            files={
                f"{_FILES}/config.yaml": yaml.safe_dump(litellm_config(tenant), sort_keys=False),
                f"{_FILES}/litellm.sh": script("litellm.sh"),
                f"{_FILES}/gateway.json": gateway_config(tenant).model_dump_json(indent=2),
                **program_files("asgi/*", "gateway/*", "money/*", folder=_FILES),
            },
            listeners=[
                Listener(address=str(tenant.bind), host_port=tenant.litellm.port, port=PORT)
            ],
            core_hosts=sorted({*core_hosts(tenant), *model_hosts(tenant.litellm)}),
        )
        child = pulumi.ResourceOptions(parent=self)
        Service(args=service, host=args.host, after=after, opts=child)
        self.register_outputs({})


def _env() -> dict[str, str]:
    return {
        "PYTHONPATH": _FILES,
        "LITELLM_CONFIG": f"{_FILES}/config.yaml",
        "HOME": "/tmp",
        "REDIS_HOST": "redis",
        "REDIS_PORT": "6379",
        "REDIS_USERNAME": "litellm",
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


def _secret_env(tenant: Tenant, secrets: Secrets, keys: Keys) -> dict[str, pulumi.Output[str]]:
    env = {
        "LITELLM_MASTER_KEY": secrets.litellm_master,
        "OPENWEBUI_API_KEY": secrets.litellm_openwebui,
        "OPENWEBUI_JWT_SECRET": secrets.openwebui_identity,
        "REDIS_PASSWORD": secrets.redis_litellm,
        "LEDGER_REDIS_PASSWORD": secrets.redis_ledger,
        **{api_key_env(name): key for name, key in secrets.litellm_keys.items()},
        **{provider_key_env(name): key for name, key in keys.providers.items()},
    }
    if keys.billing is not None:
        env["BILLING_API_KEY"] = keys.billing
    if tenant.litellm.database:
        env["DATABASE_URL"] = database_url("postgresql", "litellm", secrets.litellm_database)
        env["LITELLM_SALT_KEY"] = secrets.litellm_salt
    return env


def _program(tenant: Tenant) -> list[str]:
    """LiteLLM, with the sender beside it where something is to be sent."""
    if tenant.billing:
        return ["sh", f"{_FILES}/litellm.sh"]
    return ["python3", "-P", "-m", "gateway.app"]
