"""Where servers listen: on IPv4 and IPv6, or on what the machine has."""

from __future__ import annotations

import os
import runpy
import socket
from pathlib import Path
from typing import Any

import pytest

from onboarding_bot.listen_addresses import all_addresses
from tests.settings import ENVIRONMENT

CONFIGURATION = Path(__file__).parent.parent / "gunicorn.conf.py"


class Machine(socket.socket):
    """A machine whose IPv6 is as a test wants it."""

    fault: OSError | None = None
    v6_only = 0

    def __init__(self, family: int, kind: int) -> None:
        if self.fault and self.fault.errno == 97:
            raise self.fault
        super().__init__(socket.AF_INET, kind)

    def bind(self, _address: Any) -> None:
        if self.fault:
            raise self.fault

    def getsockopt(self, *_option: Any) -> Any:
        return self.v6_only


@pytest.mark.parametrize(
    ("fault", "v6_only", "addresses"),
    [
        pytest.param(None, 0, ["::"], id="one for both"),
        pytest.param(None, 1, ["0.0.0.0", "::"], id="each for itself"),
        pytest.param(OSError(97, "Address family not supported by protocol"), 0, ["0.0.0.0"], id="a kernel without it"),
        pytest.param(OSError(99, "Cannot assign requested address"), 0, ["0.0.0.0"], id="switched off"),
    ],
)
def test_servers_listen_on_what_there_is(
    monkeypatch: pytest.MonkeyPatch, fault: OSError | None, v6_only: int, addresses: list[str]
) -> None:
    monkeypatch.setattr(Machine, "fault", fault)
    monkeypatch.setattr(Machine, "v6_only", v6_only)
    monkeypatch.setattr("onboarding_bot.listen_addresses.socket.socket", Machine)
    assert all_addresses() == addresses
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PORT", "5005")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""))
    bind = {"::": "[::]:5005", "0.0.0.0": "0.0.0.0:5005"}
    assert runpy.run_path(str(CONFIGURATION))["bind"] == [bind[address] for address in addresses]
