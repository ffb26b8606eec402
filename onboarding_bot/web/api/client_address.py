"""The address that a request came from: the peer's, or the one that a trusted proxy names."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


def client_address(peer: str, forwarded_for: str, trusted_proxies: Networks) -> Address | None:
    """The address of the caller: ``peer``, or the one that a trusted proxy names in ``X-Forwarded-For``.

    Each proxy adds its caller at the end of that header. So it is read backwards, as long as the address that wrote an
    entry is trusted; what a caller puts there itself stands before that, and is not read. None for a peer without an
    address (a Unix socket).
    """
    address = _parsed(peer)
    hops = forwarded_for.split(",")
    while address and hops and any(address in network for network in trusted_proxies):
        named = _parsed(hops.pop().strip())
        if named is None:
            break
        address = named
    return address


def _parsed(text: str) -> Address | None:
    """An address, with or without the port that some proxies add; IPv4 inside IPv6 is IPv4."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
