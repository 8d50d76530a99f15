"""The secrets of a core: made once, each replaced by raising its number in `rotation`."""

import pulumi

from components.secrets import secret
from core.deployment.stack_config import Rotation
from core.model import Core


class CoreSecrets(pulumi.ComponentResource):
    """What the core's parts share with each other, with tenants, and with people.

    Attributes:
        superuser: password of the operator at PocketBase's administration.
        services: password of the core's own services at PocketBase.
        operator_key: key of the provisioning interface.
        storage_key: encrypts the signing keys where they are kept.
        tenant_keys: at the Billing API, by tenant.
        client_secrets: at the identity provider, by tenant.
        first_passwords: by e-mail.
    """

    def __init__(
        self, *, core: Core, rotation: Rotation, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudfreedom:core:Secrets", f"{core.slug}-secrets", None, opts)

        def made(name: str, turn: int = 1, *, protect: bool = False) -> pulumi.Output[str]:
            return secret(f"{core.slug}-{name}", parent=self, turn=turn, protect=protect)

        slugs = [tenant.slug for tenant in core.tenants]
        people = [person.email for tenant in core.tenants for person in tenant.people]
        self.superuser = made("superuser", rotation.pocketbase)
        self.services = made("services", rotation.pocketbase)
        self.operator_key = made("operator-key", rotation.tenants)
        self.storage_key = made("storage-key", protect=True)
        self.tenant_keys = {slug: made(f"key-{slug}", rotation.tenants) for slug in slugs}
        self.client_secrets = {slug: made(f"client-{slug}", rotation.tenants) for slug in slugs}
        self.first_passwords = {email: made(f"password-{email}") for email in people}
        self.register_outputs({})
