"""A tenant goes from Pulumi to Compose and back, with its data, passwords and keys."""

from pathlib import Path

import pytest

from cli.deployers.compose import ComposeDeployer
from cli.deployers.pulumi import PulumiDeployer
from cli.export.export import carry_back, export
from cli.given_keys import given_keys
from tests.e2e import pulumi_cli, toolchains
from tests.e2e.conftest import Running
from tests.e2e.webui import Login, Session


@pytest.mark.all_only  # the pages are followed there and back, too
def test_to_compose_and_back(beta_tenant: Running, tmp_path: Path) -> None:
    deployer, root = beta_tenant.deployer, beta_tenant.project.root
    compose = toolchains.available().get("compose")
    if not isinstance(deployer, PulumiDeployer) or not compose:
        pytest.skip("it takes both ways")
    session = Session.new(beta_tenant, Login.new())
    session.keep("before it left")
    history, outputs = session.history(), deployer.outputs()
    state = pulumi_cli.run(deployer, "stack", "export", "--show-secrets")
    deployer.down()

    export(deployer.stack, root=root, folder=tmp_path / "compose", settings=toolchains.SETTINGS,
           keys=given_keys(), state=state)  # fmt: skip
    there = ComposeDeployer(
        deployer.stack,
        folder=tmp_path / "compose",
        settings=toolchains.SETTINGS,
        keys=given_keys(),
        compose=compose.compose,
        root=root,
    )
    there.up()
    assert there.outputs() == outputs
    assert session.valid
    assert session.history() == history
    there.down()

    tool = toolchains.available()["pulumi"]
    back = tool.deployer(
        deployer.stack,
        root=root,
        folder=tmp_path / "pulumi",
        settings=toolchains.SETTINGS,
        keys=given_keys(),
    )
    assert isinstance(back, PulumiDeployer)
    back.prepare()
    filled = tmp_path / "state.json"
    filled.write_text(
        carry_back(deployer.stack, root=root, folder=tmp_path / "compose", keys=given_keys(),
                   state=pulumi_cli.run(back, "stack", "export")),
        encoding="utf-8",
    )  # fmt: skip
    pulumi_cli.run(back, "stack", "import", "--file", str(filled))
    back.apply()
    try:
        assert back.outputs() == outputs
        assert session.valid
        assert session.history() == history
        pulumi_cli.run(back, "preview", "--refresh", "--expect-no-changes")
        code, printed = pulumi_cli.attempt(back, "destroy", "--yes")
        assert code != 0
        assert "it is protected" in printed
    finally:
        back.down()
        deployer.up()
