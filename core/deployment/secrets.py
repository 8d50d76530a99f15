"""The secrets of a core: made once, each replaced by raising its number in `rotation`."""

import pulumi

from components.secrets import secret
from core.deployment.first_password import readable
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
        previous_tenant_keys: those before, which count until the tenant comes with the new one.
        client_secrets: at the identity provider, by tenant.
        previous_client_secrets: those before, likewise.
        first_passwords: by e-mail.
        long_first_passwords: what they are made from, which earlier versions gave to people.
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

        def newest(kind: str) -> dict[str, pulumi.Output[str]]:
            return {slug: of(kind, slug, rotation.generation(slug)) for slug in slugs}

        def previous(kind: str) -> dict[str, pulumi.Output[str]]:
            generations = {slug: rotation.generation(slug) - 1 for slug in slugs}
            return {
                slug: of(kind, slug, generation)
                for slug, generation in generations.items()
                if generation and slug not in rotation.now
            }

        def of(kind: str, slug: str, generation: int) -> pulumi.Output[str]:
            # Each generation is a resource of its own, so that two can be there together.
            number = generation if generation > 1 else ""
            return made(f"{kind}{number}-{slug}", generation)

        self.tenant_keys, self.previous_tenant_keys = newest("key"), previous("key")
        self.client_secrets, self.previous_client_secrets = newest("client"), previous("client")
        self.long_first_passwords = {email: made(f"password-{email}") for email in people}
        self.first_passwords = {
            email: long.apply(readable) for email, long in self.long_first_passwords.items()
        }
        self.register_outputs({})
