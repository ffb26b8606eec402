"""Looks up every locked package among the known vulnerabilities at OSV: a part of ``./deploy.sh check``.

uv asks the service, in one call for all packages. It reads scripts with their packages in the head, and no lock files
yet: so it is given a script whose head is the lock file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from dependencies.environment import LOCKS
from dependencies.lock_files import read_lock

ROOT = Path(__file__).parents[1]
OSV = "https://api.osv.dev/"
PATIENCE_SECONDS = 5
# Advisories that do not concern the bot, or have no remedy yet: id → why. Each counts again once a version mends it.
ACCEPTED: dict[str, str] = {}


def audit(lock: Path, service: str = OSV) -> int:
    """Ask ``service`` about every package in ``lock``, and print what it knows.

    Returns the exit code: 0 when nothing is known, another one when something is, or when uv cannot tell. Also 0 when
    the service is out of reach, with CI=true as well: it is nothing that a build server could install, and whoever has
    no way to it has no fault to mend. A line says so, so that nobody takes silence for a good result.
    """
    if reason := why_out_of_reach(service):
        print(f"skipped: no package was looked up, because {service} is out of reach ({reason})")
        return 0
    accepted = [part for advisory in ACCEPTED for part in ("--ignore-until-fixed", advisory)]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "locked.py")
        script.write_text(script_with(lock), encoding="utf-8")
        command = [sys.executable, "-m", "uv", "audit", "--preview-features", "audit-command", *accepted]
        return subprocess.run([*command, "--service-url", service, "--script", script], check=False).returncode


def why_out_of_reach(service: str) -> str | None:
    """Why nobody answers at ``service``, or None when somebody does, whatever the answer is."""
    try:
        urllib.request.urlopen(service, timeout=PATIENCE_SECONDS).close()
    except urllib.error.HTTPError:
        return None
    except OSError as error:
        return str(getattr(error, "reason", error))
    return None


def script_with(lock: Path) -> str:
    """A script whose head names the locked packages.

    Source: https://packaging.python.org/specifications/inline-script-metadata/
    """
    named = [f"#   '{package.requirement}'," for package in read_lock(lock)]
    return "\n".join(["# /// script", '# requires-python = ">=3.11"', "# dependencies = [", *named, "# ]", "# ///", ""])


if __name__ == "__main__":
    sys.exit(audit(ROOT / LOCKS[-1]))
