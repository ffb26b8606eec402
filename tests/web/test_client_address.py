"""Whose address counts: the peer's, or what a trusted proxy says; what a caller writes there itself never does."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from onboarding_bot.web.api.client_address import Networks, client_address

OWN_PROXY = (ip_network("127.0.0.1"),)
TWO_PROXIES = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "trusted", "expected"),
    [
        pytest.param("198.51.100.7", "", (), "198.51.100.7", id="straight"),
        pytest.param("198.51.100.7", "203.0.113.9", (), "198.51.100.7", id="nobody is trusted"),
        pytest.param("198.51.100.7", "203.0.113.9", OWN_PROXY, "198.51.100.7", id="past the proxy"),
        pytest.param("127.0.0.1", "203.0.113.9", OWN_PROXY, "203.0.113.9", id="through the proxy"),
        pytest.param("127.0.0.1", "1.2.3.4, 203.0.113.9", OWN_PROXY, "203.0.113.9", id="a header that was made up"),
        pytest.param("127.0.0.1", "1.2.3.4,127.0.0.1,203.0.113.9", OWN_PROXY, "203.0.113.9", id="one that names us"),
        pytest.param("127.0.0.1", "203.0.113.9, 10.1.2.3", TWO_PROXIES, "203.0.113.9", id="through two proxies"),
        pytest.param("127.0.0.1", "10.1.2.3", TWO_PROXIES, "10.1.2.3", id="the proxy itself calls"),
        pytest.param("127.0.0.1", "", OWN_PROXY, "127.0.0.1", id="a proxy that says nothing"),
        pytest.param("127.0.0.1", "nonsense", OWN_PROXY, "127.0.0.1", id="a proxy that says nothing useful"),
        pytest.param("127.0.0.1", "1.2.3.4, nonsense", OWN_PROXY, "127.0.0.1", id="nothing before nonsense counts"),
        pytest.param("127.0.0.1", "203.0.113.9:51234", OWN_PROXY, "203.0.113.9", id="with a port"),
        pytest.param("127.0.0.1", "[2001:db8::7]:443", OWN_PROXY, "2001:db8::7", id="IPv6 with a port"),
        pytest.param("127.0.0.1", "2001:db8::7", OWN_PROXY, "2001:db8::7", id="IPv6"),
        pytest.param("::ffff:127.0.0.1", "203.0.113.9", OWN_PROXY, "203.0.113.9", id="IPv4 inside IPv6"),
    ],
)
def test_the_address(peer: str, forwarded_for: str, trusted: Networks, expected: str) -> None:
    assert str(client_address(peer, forwarded_for, trusted)) == expected


@pytest.mark.parametrize("peer", ["", "unix:", "/run/bot.sock"])
def test_a_peer_without_an_address(peer: str) -> None:
    assert client_address(peer, "203.0.113.9", OWN_PROXY) is None
