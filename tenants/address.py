"""Addresses of a host that something listens on."""

from ipaddress import ip_address


def overlap(one: str, other: str) -> bool:
    """Whether two listeners at these addresses of one host cannot have the same port."""
    both = {ip_address(one), ip_address(other)}
    # 0.0.0.0 is every address of IPv4, and :: every one of IPv6, as Docker publishes ports.
    same_family = len({address.version for address in both}) == 1
    return len(both) == 1 or (same_family and any(address.is_unspecified for address in both))
