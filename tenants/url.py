"""Addresses of other services, as a tenant's containers reach them."""

from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, HttpUrl

HOST_NAME = "host.docker.internal"


def _is_reachable(url: HttpUrl) -> HttpUrl:
    """An address that leads out of the container it is used in."""
    host = (url.host or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost") or _is_the_container(host.strip("[]")):
        port = f":{url.port}" if url.port else ""
        raise ValueError(
            f"an address that leads out of the container: write {url.scheme}://{HOST_NAME}{port}"
            " for a server on the Docker host"
        )
    return url


def _is_the_container(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


ReachableUrl = Annotated[HttpUrl, AfterValidator(_is_reachable)]
