"""What `cloudfreedom doctor` says of a tenant."""

import json

from ops.doctor import examine
from ops.tools import docker_address
from tenants.model import Tenant
from tests.e2e.conftest import Running


def found_wrong(running: Running) -> dict[str, str]:
    """Its problems, by what has them."""
    tenant = Tenant.model_validate_json(json.dumps(running.tenant))
    findings = examine(tenant, docker_address())
    return {finding.what: finding.problem for finding in findings if finding.problem}
