"""The secrets of a tenant: made once, each replaced by raising its number in `rotation`."""

import pulumi
import pulumi_random as random

from components.stack_config import Rotation
from tenants.model import Tenant

_BYTES = 32


def secret(
    name: str, *, parent: pulumi.Resource, turn: int = 1, protect: bool = False
) -> pulumi.Output[str]:
    """A value that nobody chose, in hexadecimal, so that no URL or shell needs quoting.

    Args:
        name: of the resource.
        parent: of the resource.
        turn: another one is another value.
        protect: `pulumi destroy` refuses to delete it.
    """
    return random.RandomBytes(
        name,
        length=_BYTES,
        keepers={"rotation": str(turn)},
        opts=pulumi.ResourceOptions(parent=parent, protect=protect),
    ).hex


class Secrets(pulumi.ComponentResource):
    """All that the tenant's parts share with each other, and with whoever operates it.

    Attributes:
        litellm_database: password of LiteLLM's database role.
        openwebui_database: password of Open WebUI's database role.
        redis_litellm: password of LiteLLM's user in Redis.
        redis_ledger: password of the ledger's user in Redis.
        redis_openwebui: password of Open WebUI's user in Redis.
        litellm_master: LiteLLM's master key, for the operator.
        litellm_openwebui: Open WebUI's key for LiteLLM, without admin rights.
        litellm_salt: encrypts what LiteLLM stores; it must never change.
        litellm_keys: keys for programs, by name.
        openwebui_session: signs the logins.
        openwebui_identity: signs who is chatting, from Open WebUI to LiteLLM.
        openwebui_admin: password of the first admin; later changes are Open WebUI's own.
    """

    def __init__(
        self,
        *,
        tenant: Tenant,
        rotation: Rotation,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudfreedom:tenant:Secrets", f"{tenant.slug}-secrets", None, opts)

        def made(name: str, turn: int = 1, *, protect: bool = False) -> pulumi.Output[str]:
            return secret(f"{tenant.slug}-{name}", parent=self, turn=turn, protect=protect)

        self.litellm_database = made("litellm-database", rotation.postgres)
        self.openwebui_database = made("openwebui-database", rotation.postgres)
        self.redis_litellm = made("redis-litellm", rotation.redis)
        self.redis_ledger = made("redis-ledger", rotation.redis)
        self.redis_openwebui = made("redis-openwebui", rotation.redis)
        self.litellm_master = _api_key(made("litellm-master", rotation.litellm))
        self.litellm_openwebui = _api_key(made("litellm-openwebui", rotation.litellm))
        self.litellm_keys = {
            key.name: _api_key(made(f"litellm-key-{key.name}", rotation.litellm))
            for key in tenant.litellm.keys
        }
        self.litellm_salt = made("litellm-salt", protect=True)
        self.openwebui_session = made("openwebui-session", rotation.openwebui)
        self.openwebui_identity = made("openwebui-identity", rotation.openwebui)
        self.openwebui_admin = made("openwebui-admin", protect=True)
        self.register_outputs({})


def _api_key(value: pulumi.Output[str]) -> pulumi.Output[str]:
    return pulumi.Output.concat("sk-", value)
