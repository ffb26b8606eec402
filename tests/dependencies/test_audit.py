"""Looking packages up among the known vulnerabilities, with a service and an index of the test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dependencies import audit
from tests.dependencies.conftest import Index

ADVISORY = "PYSEC-2026-7"


@dataclass
class Vulnerabilities:
    """A stand-in for OSV: knows which packages have the advisory, and remembers which ones it was asked about."""

    url: str
    vulnerable: set[str] = field(default_factory=set)
    asked: dict[str, str] = field(default_factory=dict)
    fixed_in: str | None = None

    def about(self, queries: list[dict[str, Any]]) -> dict[str, Any]:
        for query in queries:
            self.asked[query["package"]["name"]] = query["version"]
        known = [{"id": ADVISORY, "modified": "2026-11-01T00:00:00Z"}]
        return {
            "results": [{"vulns": known} if query["package"]["name"] in self.vulnerable else {} for query in queries]
        }

    def advisory(self) -> dict[str, Any]:
        events = [{"introduced": "0"}, *([{"fixed": self.fixed_in}] if self.fixed_in else [])]
        affected = [
            {"package": {"ecosystem": "PyPI", "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
            for name in self.vulnerable
        ]
        moments = {"modified": "2026-11-01T00:00:00Z", "published": "2026-11-01T00:00:00Z"}
        return {"id": ADVISORY, "summary": "lets strangers in", "affected": affected, **moments}


@pytest.fixture
def service() -> Iterator[Vulnerabilities]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(known.advisory() if self.path.endswith(ADVISORY) else {})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply(known.about(asked["queries"]))

        def reply(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known = Vulnerabilities(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield known
        server.shutdown()
        thread.join()


@pytest.fixture
def lock(tmp_path: Path, index: Index) -> Path:
    index.publish("door", "1.5")
    index.publish("window", "1.5")
    locked = tmp_path / "requirements.lock"
    digest = f"--hash=sha256:{'0' * 64}"
    locked.write_text(
        "# Made by hand.\n"
        f"door==1.5 \\\n    {digest} \\\n    {digest}\n    # via house\n"
        f"window==1.5 ; python_full_version >= '3.11' \\\n    {digest}\n"
    )
    return locked


def test_every_locked_package_is_looked_up(lock: Path, service: Vulnerabilities) -> None:
    assert audit.audit(lock, service.url) == 0
    assert service.asked == {"door": "1.5", "window": "1.5"}


def test_a_known_vulnerability_is_told_and_fails(
    lock: Path, service: Vulnerabilities, capfd: pytest.CaptureFixture[str]
) -> None:
    service.vulnerable, service.fixed_in = {"door"}, "1.6"
    assert audit.audit(lock, service.url) == 1
    told = capfd.readouterr().out
    assert "door 1.5" in told
    assert ADVISORY in told
    assert "lets strangers in" in told
    assert "1.6" in told


@pytest.mark.parametrize(("fixed_in", "status"), [(None, 0), ("1.6", 1)], ids=["no remedy yet", "a remedy"])
def test_what_is_accepted_counts_again_once_there_is_a_remedy(
    lock: Path, service: Vulnerabilities, monkeypatch: pytest.MonkeyPatch, fixed_in: str | None, status: int
) -> None:
    service.vulnerable, service.fixed_in = {"door"}, fixed_in
    monkeypatch.setattr(audit, "ACCEPTED", {ADVISORY: "nobody has that door"})
    assert audit.audit(lock, service.url) == status


@pytest.mark.parametrize("ci", ["", "true"], ids=["on a desk", "on a build server"])
def test_a_service_out_of_reach_is_said_and_fails_nobody(
    lock: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    assert audit.audit(lock, "http://127.0.0.1:9/") == 0
    assert capfd.readouterr().out.startswith(
        "skipped: no package was looked up, because http://127.0.0.1:9/ is out of reach ("
    )


def test_what_cannot_be_looked_up_although_somebody_answers_fails(lock: Path, service: Vulnerabilities) -> None:
    lock.write_text("a-package-that-nobody-has==1.0\n")
    assert audit.audit(lock, service.url) != 0
