"""The secrets of a stack as Pulumi keeps them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_random as random

from components.docker.aliases import formerly
from components.spec import SECRET_BYTES, Secret, SecretSpec, filled_output, stack_name


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
        length=SECRET_BYTES,
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
        super().__init__(
            "cloudfreedom:docker:Secrets",
            stack_name(slug, "secrets"),
            None,
            formerly(opts, "tenant:Secrets", "core:Secrets"),
        )
        made = {
            spec.value_name: generated(
                stack_name(slug, spec.value_name),
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
        return filled_output(value, self.text)
