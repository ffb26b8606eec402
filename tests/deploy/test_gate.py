"""What a build server runs: the checks and then the tests, whoever starts it."""

from __future__ import annotations

import re

from tests.deploy.clones import PROJECT


def test_the_gate_is_the_checks_and_then_the_tests() -> None:
    lines = (PROJECT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith("./deploy.sh")] == ["./deploy.sh check", "./deploy.sh test"]
    assert lines[-1] == "./deploy.sh test"


def test_the_workflow_runs_the_gate_for_pushes_and_pull_requests() -> None:
    workflow = (PROJECT / ".github" / "workflows" / "ci.yml").read_text()
    assert "\non:\n  push:\n    branches: [main]\n  pull_request:\n" in workflow
    assert re.findall(r"^      - run: (\S.*)$", workflow, re.MULTILINE)[-1] == ".ci/run"
    assert 'image: "debian:bookworm"' in workflow


def test_the_workflow_takes_nothing_that_others_may_change() -> None:
    """A tag of an action may be moved; a commit stays what it is."""
    workflow = (PROJECT / ".github" / "workflows" / "ci.yml").read_text()
    used = re.findall(r"uses: (\S+)", workflow)
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)] == []
