"""The labels that say whose everything on a Docker host is."""

from collections.abc import Mapping

TENANT = "cloudfreedom.tenant"
SERVICE = "cloudfreedom.service"
NAME = "cloudfreedom.part"
"""Of networks and volumes; of containers before version 0.2.

It keeps its old name: a changed label would replace a network, or the data.
"""
MARK = "cloudfreedom.volume"
"""Of volumes alone: one that is made anew under the same name has another value."""


def container_labels(slug: str, service: str) -> dict[str, str]:
    """Labels of a container; sorted, as the provider reads them back.

    Args:
        slug: the tenant, or the core.
        service: that it runs.
    """
    return {SERVICE: service, TENANT: slug}


def labels(slug: str, name: str) -> dict[str, str]:
    """Labels of a network or a volume; sorted, as the provider reads them back.

    Args:
        slug: the tenant, or the core.
        name: of the network, or of the service whose volume it is.
    """
    return {NAME: name, TENANT: slug}


def service_of(container: Mapping[str, str]) -> str:
    """The service that a container runs, by its labels; empty if they do not say it."""
    return container.get(SERVICE) or container.get(NAME, "")
