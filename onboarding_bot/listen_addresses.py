"""The addresses on which servers listen for other machines: IPv4, and IPv6 where this machine has it."""

from __future__ import annotations

import socket


def all_addresses() -> list[str]:
    """The addresses to bind. The IPv6 address takes IPv4 connections too, unless the kernel is set to bindv6only."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
            takes_both = not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        # IPv6 is switched off, or not in the kernel.
        return ["0.0.0.0"]
    return ["::"] if takes_both else ["0.0.0.0", "::"]
