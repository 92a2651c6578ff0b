"""What counts as one client."""

from ipaddress import IPv4Address, ip_address, ip_network


def network_of(client: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network that an IPv6 client has to itself.

    A proxy may name what is none, of any length: all of that counts as one.
    """
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
