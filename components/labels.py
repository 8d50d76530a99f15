"""The labels that say whose everything on a Docker host is."""

TENANT = "cloudfreedom.tenant"
PART = "cloudfreedom.part"
MARK = "cloudfreedom.volume"
"""Of volumes alone: one that is made anew under the same name has another value."""


def labels(slug: str, part: str) -> dict[str, str]:
    """Labels of one container, network or volume; sorted, as the provider reads them back.

    Args:
        slug: the tenant, or the core.
        part: what it is there.
    """
    return {PART: part, TENANT: slug}
