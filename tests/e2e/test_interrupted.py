"""An `up` that is killed heals at the next one, whatever it was about to do."""

import os
import re
import signal
import time

import pytest

from cli.deployers.pulumi import PulumiDeployer
from components.labels import TENANT
from tests.e2e import pulumi_cli
from tests.e2e.conftest import Running

PARTS = ("postgres", "redis", "litellm", "openwebui")
ORPHANS_SECONDS = 60


def kill_up_at(deployer: PulumiDeployer, moment: str) -> None:
    """Start an `up`, and kill it without warning when it prints what matches `moment`."""
    up = pulumi_cli.start(deployer, "up", "--yes", "--skip-preview")
    assert up.stdout
    assert any(re.search(moment, line) for line in up.stdout), "the moment came"
    os.kill(up.pid, signal.SIGKILL)
    up.wait()
    wait_for_orphans(up.pid)


def wait_for_orphans(group: int) -> None:
    """The provider goes on alone for a moment with what it was doing."""
    deadline = time.monotonic() + ORPHANS_SECONDS
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.2)
    os.killpg(group, signal.SIGKILL)


@pytest.mark.parametrize("moment", [
    "Network .*-data creating",
    pytest.param("Container .*-postgres creating", marks=pytest.mark.all_only),
    pytest.param("Container .*-redis creat", marks=pytest.mark.all_only),
    "Container .*-litellm creating",
    pytest.param("Container .*-openwebui creating", marks=pytest.mark.all_only),
    pytest.param("Volume .*-postgres creat", marks=pytest.mark.all_only),
    pytest.param("RandomUuid .*-litellm-ready creating", marks=pytest.mark.all_only),
])  # fmt: skip
def test_an_up_that_was_killed_heals(beta_tenant: Running, moment: str) -> None:
    deployer = beta_tenant.deployer
    if not isinstance(deployer, PulumiDeployer):
        pytest.skip("Compose keeps no state that could be left behind")
    deployer.down()
    kill_up_at(deployer, moment)
    pulumi_cli.run(deployer, "cancel", "--yes")
    deployer.up()
    for part in PARTS:
        assert beta_tenant.container(part).health == "healthy", part
    engine, label = beta_tenant.engine, f"{TENANT}={beta_tenant.slug}"
    assert len(engine.containers.list(all=True, filters={"label": label})) == len(PARTS)
    assert len(engine.networks.list(filters={"label": label})) == 2
