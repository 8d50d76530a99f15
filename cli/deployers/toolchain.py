"""Which of the two deployers a machine has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.deployers.compose import ComposeDeployer
from cli.deployers.deployer import Deployer
from cli.deployers.pulumi import PulumiDeployer
from cli.export.export import as_handed_over
from cli.yaml_io import project_name


@dataclass(frozen=True)
class Toolchain:
    """The program that brings stacks up on a machine: Pulumi's CLI, or else Docker Compose."""

    pulumi: Path | None = None
    compose: Sequence[str] = ()

    def deployer(
        self,
        stack: str,
        *,
        root: Path,
        folder: Path,
        settings: Mapping[str, str],
        keys: Mapping[str, str],
    ) -> Deployer:
        """The deployer of a stack; the two deployers say what the arguments are."""
        if self.pulumi:
            return PulumiDeployer(
                stack, folder=folder, settings=settings, keys=keys, pulumi=self.pulumi, root=root
            )
        return ComposeDeployer(
            stack,
            folder=folder / project_name(root),
            settings=settings,
            keys=keys,
            compose=self.compose,
            root=root,
        )

    def joined(self, slug: str, core: Deployer) -> tuple[dict[str, str], dict[str, str]]:
        """Settings and keys of a tenant's stack that give it what a core has made for it.

        Under Pulumi the stack refers to the core's, which is in the same folder.
        """
        if self.pulumi:
            return {"core": f"organization/{core.project}/{core.stack}"}, {}
        made = core.outputs()["tenants"][slug]
        settings = {"currency": made.get("currency"), "usdRate": made.get("usd_rate")}
        return (
            {key: as_handed_over(value) for key, value in settings.items() if value},
            {"billingKey": made["billing_key"], "loginSecret": made["login_secret"]},
        )
