"""A tenant goes from Pulumi to Compose and back, with its data, passwords and keys."""

from pathlib import Path

import pytest

from ops.export import carry_back, export
from ops.keys import given_keys
from ops.way import ComposeWay, PulumiWay
from tests.e2e import pulumi_cli, ways
from tests.e2e.conftest import Running
from tests.e2e.webui import Login, Session


@pytest.mark.all_only  # the pages are followed there and back, too
def test_to_compose_and_back(beta_tenant: Running, tmp_path: Path) -> None:
    way, root = beta_tenant.way, beta_tenant.project.root
    compose = ways.available().get("compose")
    if not isinstance(way, PulumiWay) or not compose:
        pytest.skip("it takes both ways")
    session = Session.new(beta_tenant, Login.new())
    session.keep("before it left")
    history, outputs = session.history(), way.outputs()
    state = pulumi_cli.run(way, "stack", "export", "--show-secrets")
    way.down()

    export(way.stack, root=root, folder=tmp_path / "compose", settings=ways.SETTINGS,
           keys=given_keys(), state=state)  # fmt: skip
    there = ComposeWay(way.stack, folder=tmp_path / "compose", settings=ways.SETTINGS,
                       keys=given_keys(), compose=compose.compose, root=root)  # fmt: skip
    there.up()
    assert there.outputs() == outputs
    assert session.valid
    assert session.history() == history
    there.down()

    tool = ways.available()["pulumi"]
    back = tool.way(way.stack, root=root, folder=tmp_path / "pulumi", settings=ways.SETTINGS,
                    keys=given_keys())  # fmt: skip
    assert isinstance(back, PulumiWay)
    back.prepare()
    filled = tmp_path / "state.json"
    filled.write_text(
        carry_back(way.stack, root=root, folder=tmp_path / "compose", keys=given_keys(),
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
        way.up()
