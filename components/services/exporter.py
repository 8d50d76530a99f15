"""An exporter: the metrics of one database, as Prometheus reads them."""

from collections.abc import Mapping, Sequence

from components.spec import APPS, DATA, Healthcheck, PublishedPort, Secret, ServiceSpec
from images.catalog import Image
from tenants.model import Exporter

_USER = 65534  # `nobody` in the images


def exporter_service(
    exporter: Exporter,
    image: Image,
    *,
    of: str,
    command: Sequence[str],
    port: int,
    up: str,
    env: Mapping[str, str],
    secret_env: Mapping[str, Secret],
) -> ServiceSpec:
    """The exporter of one of the services.

    Args:
        exporter: its section of the tenant's file.
        image: that it runs; it has a shell and `wget`.
        of: name of the service whose metrics it has.
        command: its process.
        port: that it listens on.
        up: the metric that is 1 while the service answers it.
        env: plain settings.
        secret_env: settings that only the process finds in its environment.
    """
    metrics = f"http://127.0.0.1:{port}/metrics"
    return ServiceSpec(
        name=f"{of}-exporter",
        image=image,
        user=_USER,
        command=command,
        resources=exporter,
        networks=[DATA, APPS],
        healthcheck=Healthcheck(command=f"wget -qO- {metrics} | grep -qx '{up} 1'"),
        after=[of],
        env=env,
        secret_env=secret_env,
        ports=[PublishedPort(address=exporter.address, host_port=exporter.port, port=port)],
    )
