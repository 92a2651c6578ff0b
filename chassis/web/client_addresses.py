"""Client addresses as keys for limits."""

from ipaddress import IPv4Address, ip_address, ip_network


def network_of(client: str) -> str:
    """The key that a client is counted under: an IPv4 address, or the /64 network of an IPv6 client.

    A proxy may pass text that is not an address, of any length: all of it counts as one client.
    """
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
