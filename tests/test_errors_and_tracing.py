"""Errors with a code and a word on retries, and traces that lead from the webhook to the calls out."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot import errors
from onboarding_bot.errors import BotError, SettingsError
from onboarding_bot.observability.tracing import Trace, current_trace, follow, read_traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BotError)]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(codes) > 5
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", code) for code in codes)


def test_only_what_a_moment_may_mend_is_retryable() -> None:
    assert {kind.code for kind in KINDS if kind.retryable} == {
        "store.unavailable",
        "store.busy",
        "audit.unavailable",
    }


def test_a_settings_error_lists_all_faults() -> None:
    error = SettingsError(["PORT is wrong", "REDIS_URL is missing"])
    assert error.faults == ["PORT is wrong", "REDIS_URL is missing"]
    assert str(error) == "PORT is wrong; REDIS_URL is missing"


# --- traces --------------------------------------------------------------------------------------------------------


def test_a_trace_that_the_caller_began_goes_on() -> None:
    trace = read_traceparent(f"00-{TRACE}-b7ad6b7169203331-01")
    assert trace == Trace(TRACE)
    follow(trace)
    assert current_trace() == trace


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="nonsense"),
        pytest.param(TRACE, id="the id alone"),
        pytest.param(f"00-{TRACE.upper()}-b7ad6b7169203331-01", id="capitals"),
        pytest.param(f"00-{'0' * 32}-b7ad6b7169203331-01", id="the id that stands for none"),
        pytest.param(f"00-{TRACE}-b7ad6b7169203331-01\n", id="line break"),
        pytest.param(f"00-{TRACE}-b7ad6b7169203331-01-more", id="more behind it"),
        pytest.param(f"00-{TRACE[:-1]}-b7ad6b7169203331-01", id="too short"),
        pytest.param('00-"},{"event":"forged-b7ad6b7169203331-01', id="an attempt on the log"),
    ],
)
def test_without_a_good_one_a_new_trace_begins(header: str | None) -> None:
    first, second = read_traceparent(header), read_traceparent(header)
    assert re.fullmatch("[0-9a-f]{32}", first.trace_id)
    assert first != second
    assert first.trace_id != TRACE


@given(header=st.text(max_size=80))
@settings(deadline=None, max_examples=50)
def test_whatever_stands_in_the_header_the_id_is_an_id(header: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", read_traceparent(header).trace_id)


def test_every_call_out_is_a_span_of_its_own() -> None:
    headers = {Trace(TRACE).traceparent() for _ in range(20)}
    assert len(headers) == 20
    assert all(re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", header) for header in headers)
    assert all(read_traceparent(header) == Trace(TRACE) for header in headers)


def test_another_thread_has_a_trace_of_its_own() -> None:
    follow(Trace(TRACE))
    seen: list[Trace] = []
    thread = threading.Thread(target=lambda: seen.append(current_trace()))
    thread.start()
    thread.join()
    assert seen[0] != Trace(TRACE)
    assert re.fullmatch("[0-9a-f]{32}", seen[0].trace_id)
