"""The secrets of a stack as Pulumi keeps them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_random as random

from components.spec import Secret, SecretJson, SecretSpec

_BYTES = 32


def generated(
    name: str, *, parent: pulumi.Resource, generation: int = 1, protect: bool = False
) -> pulumi.Output[str]:
    """A value that nobody chose, in hexadecimal, so that no URL or shell needs quoting.

    Args:
        name: of the resource.
        parent: of the resource.
        generation: another one is another value.
        protect: `pulumi destroy` refuses to delete it.
    """
    return random.RandomBytes(
        name,
        length=_BYTES,
        keepers={"rotation": str(generation)},
        opts=pulumi.ResourceOptions(parent=parent, protect=protect),
    ).hex


class Secrets(pulumi.ComponentResource):
    """The values of all secrets of a stack."""

    def __init__(
        self,
        *,
        slug: str,
        specs: Sequence[SecretSpec],
        given: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        before = [pulumi.Alias(type_=f"cloudfreedom:{kind}:Secrets") for kind in ("tenant", "core")]
        super().__init__(
            "cloudfreedom:docker:Secrets",
            f"{slug}-secrets",
            None,
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=before)),
        )
        made = {
            spec.value_name: generated(
                f"{slug}-{spec.value_name}",
                parent=self,
                generation=spec.generation,
                protect=spec.protect,
            )
            for spec in specs
            if not spec.given and not spec.resource
        }
        self._values = {
            spec.name: pulumi.Output.secret(given[spec.name])
            if spec.given
            else made[spec.value_name].apply(spec.form)
            for spec in specs
        }
        self.register_outputs({})

    def text(self, secret: Secret) -> pulumi.Output[str]:
        """A text with secrets in it."""
        values = {name: self._values[name] for name in sorted(secret.names)}
        return pulumi.Output.secret(pulumi.Output.all(**values).apply(secret.render))

    def output(self, value: str | Secret) -> Any:
        """An output of a stack."""
        if isinstance(value, str):
            return value
        return value.filled(self.text) if isinstance(value, SecretJson) else self.text(value)
