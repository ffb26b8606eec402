"""What ``./deploy.sh check`` runs: style, types, layers, scripts, alerts, vulnerabilities, documents, and coverage."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from dependencies.environment import end_on_signals, run_endable

PYTHON = sys.executable
PROMETHEUS = "deploy/monitoring/prometheus"
Commands = Sequence[Sequence[str]]

CHECKS: dict[str, Commands] = {
    "style": [[PYTHON, "-m", "ruff", "check", "."]],
    "formatting": [[PYTHON, "-m", "ruff", "format", "--check", "."]],
    "types": [[PYTHON, "-m", "mypy"]],
    "layers": [[PYTHON, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]],
    "shell scripts": [["shellcheck", "deploy.sh", ".ci/run"]],
    "alerts": [
        ["promtool", "check", "rules", f"{PROMETHEUS}/rules.yml"],
        ["promtool", "check", "config", "--syntax-only", f"{PROMETHEUS}/prometheus.yml"],
        ["promtool", "test", "rules", f"{PROMETHEUS}/rules_test.yml"],
    ],
    "known vulnerabilities": [[PYTHON, "-m", "dependencies.audit"]],
    # Tests that start processes say nothing about the lines of the package here, and `test` runs them anyway.
    "docs in step, coverage": [
        [PYTHON, "-m", "pytest", "--quiet", "--numprocesses", "2", "--dist", "loadfile", "-m", "not browser"]
        + [f"--ignore=tests/{folder}" for folder in ("deploy", "e2e", "simulator")]
        + ["--cov", "--cov-report=term-missing"]
    ],
}
# What no package of Python's brings, and how Debian has it.
PROGRAMS = {"shellcheck": "apt-get install shellcheck", "promtool": "apt-get install prometheus"}


def main() -> int:
    """Run every check and say which failed: 0 when none did."""
    end_on_signals()
    failed = []
    for title, commands in CHECKS.items():
        print(f"== {title}", flush=True)
        if not passes(commands):
            failed.append(title)
    if failed:
        print(f"deploy.sh: these checks failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    print("All checks passed.")
    return 0


def passes(commands: Commands) -> bool:
    """Whether all commands succeed. One whose program is not installed is skipped, but never where CI is true."""
    program = commands[0][0]
    if shutil.which(program):
        return all(run_endable(command) == 0 for command in commands)
    if os.environ.get("CI") == "true":
        print(f"deploy.sh: {program} is not installed, and CI must not go without it", file=sys.stderr)
        return False
    print(f"skipped: {program} is not installed (Debian: {PROGRAMS[program]})")
    return True


if __name__ == "__main__":
    raise SystemExit(main())
