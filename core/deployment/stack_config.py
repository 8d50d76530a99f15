"""What belongs to a deployment rather than to a core: the config of its Pulumi stack."""

from pydantic import Field, IPvAnyAddress

from components.stack_config import Deployment, Section, Turn


class Rotation(Section):
    """Raise a number and run `pulumi up` to replace what it stands for.

    There is none for the key that encrypts the signing keys, nor for first passwords.
    """

    pocketbase: Turn = Field(1, description="Passwords of PocketBase's superusers")
    tenants: Turn = Field(
        1, description="Keys and secrets of all tenants, and the operator's: `up` each of them, too"
    )


class CoreConfig(Deployment):
    """Everything under `cloudfreedom-core:` in `Pulumi.<stack>.yaml`."""

    rotation: Rotation = Rotation()
    host_gateway: IPvAnyAddress = Field(
        default="172.17.0.1",
        validate_default=True,
        description="The Docker host as its containers reach it: the address of its bridge",
    )
