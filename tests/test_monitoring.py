"""Alerts and dashboard: nothing is asked that nobody counts, and every alert leads to its runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import fakeredis
import pytest
from prometheus_client.parser import text_string_to_metric_families

from onboarding_bot.app import create_app
from onboarding_bot.storage.heartbeats import Heartbeat, Heartbeats
from tests.fakes import NOON
from tests.servers import missing
from tests.settings import ENVIRONMENT, settings

ROOT = Path(__file__).parent.parent
MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "prometheus" / "rules.yml"
# PromQL's own words, and labels.
WORDS = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
FUNCTIONS = {"histogram_quantile"}


def counted() -> set[str]:
    """The names that /metrics shows."""
    redis = fakeredis.FakeRedis()
    Heartbeats(redis, redis).write(dict.fromkeys(Heartbeat, NOON))
    client = create_app(settings(), redis=redis).test_client()
    text = client.get("/metrics", headers={"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}).text
    families = list(text_string_to_metric_families(text))
    return {sample.name for family in families for sample in family.samples}


def expressions() -> list[str]:
    dashboard = json.loads((MONITORING / "grafana" / "dashboards" / "bot.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    without_comments = re.sub(r"^ *#.*$", "", RULES.read_text(), flags=re.MULTILINE)
    return [*asked, *re.findall(r"expr: (?:\|\n)?(.*?)(?=\n +(?:for|- |$))", without_comments, re.DOTALL)]


def test_nothing_is_asked_that_nobody_counts() -> None:
    asked = {word for expression in expressions() for word in WORDS.findall(re.sub(r'"[^"]*"', "", expression))}
    assert asked
    assert asked - FUNCTIONS - counted() == set()


def test_every_alert_leads_to_its_runbook_with_lines_to_type() -> None:
    text = RULES.read_text()
    alerts = re.findall(r"- alert: (\w+)", text)
    assert len(alerts) >= 8
    assert re.findall(r"runbook: (\S+)", text) == [f"docs/operations.md#{alert.lower()}" for alert in alerts]
    runbooks = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", (ROOT / "docs/operations.md").read_text(), re.M | re.S))
    assert runbooks.keys() >= set(alerts)
    for alert in alerts:
        assert "curl " in runbooks[alert] or re.search(r"\(#[a-z]+\)", runbooks[alert]), alert


# The parts whose alerts ask for figures of their own.
TOLD_OTHERWISE = {"worker": "WorkerDead", "queue": "QueueStale", "webhook": "NoWebhookByDay"}


def test_every_part_that_can_be_ill_has_its_alert() -> None:
    text = RULES.read_text()
    parts = create_app(settings(), redis=fakeredis.FakeRedis()).test_client().get("/health").get_json()["services"]
    assert parts.keys() >= {"log", "metrics", "redis"}
    for part in parts:
        assert f'service="{part}"' in text or f"alert: {TOLD_OTHERWISE.get(part)}\n" in text, part


def test_every_alert_is_tested_both_ways() -> None:
    text = (MONITORING / "prometheus" / "rules_test.yml").read_text()
    for alert in re.findall(r"- alert: (\w+)", RULES.read_text()):
        assert f"alertname: {alert}, exp_alerts: []" in text
        assert re.search(rf"alertname: {alert}\n +exp_alerts:\n", text), alert


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("check", "rules", "rules.yml"), id="rules"),
        pytest.param(("check", "config", "--syntax-only", "prometheus.yml"), id="configuration"),
        pytest.param(("test", "rules", "rules_test.yml"), id="the rules' own tests"),
    ],
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    if not shutil.which("promtool"):
        missing("promtool")
    checked = subprocess.run(
        ["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False, timeout=120
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
