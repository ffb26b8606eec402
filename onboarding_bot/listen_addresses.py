"""Where servers listen that are to be reached from outside: on IPv4, and on IPv6 where this machine has it."""

from __future__ import annotations

import socket


def all_addresses() -> list[str]:
    """The addresses to bind. The one of IPv6 takes the calls of IPv4 as well, unless the machine is told otherwise."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
            takes_both = not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        # Switched off, or not even known to the kernel.
        return ["0.0.0.0"]
    return ["::"] if takes_both else ["0.0.0.0", "::"]
