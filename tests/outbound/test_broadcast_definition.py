"""A broadcast's definition: every field, right and wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.conversation.sectors import Sector
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.fields import InvalidFieldError, fields_of
from onboarding_bot.outbound.broadcast_definition import BroadcastRequest, Definition, Purpose, parse_request
from tests.fakes import NOON

LANGUAGES = ["en", "hi"]
SID = "HX" + "0aF3" * 8
HALF = "\ud800"
FIELDS = fields_of(BroadcastRequest)


def parse(**body: Any) -> Definition:
    return parse_request(body, LANGUAGES).definition


def test_a_message_is_enough() -> None:
    request = parse_request({"message": "Hi"}, LANGUAGES)
    definition = request.definition
    assert definition == Definition(message="Hi")
    assert (definition.purpose, definition.include_completed, request.dry_run) == (Purpose.SERVICE, True, False)
    assert not definition.is_template
    assert not definition.looks_into_contacts


def test_everything_can_be_said() -> None:
    given = {
        "content_sid": SID,
        "content_variables": {"1": "Asha"},
        "purpose": "marketing",
        "target_step": "phone",
        "language": "hi",
        "sector": "Food & Beverage",
        "pincode_prefix": "56",
        "include_completed": False,
        "schedule_at": "2026-12-01T10:00:00+05:30",
        "dry_run": True,
    }
    assert given.keys() == set(FIELDS) - {"message"}
    request = parse_request(given, LANGUAGES)
    definition = request.definition
    assert request.dry_run
    assert definition.is_template
    assert definition.looks_into_contacts
    assert definition.schedule_at == datetime(2026, 12, 1, 4, 30, tzinfo=UTC)
    assert Definition.from_json(definition.to_json()) == definition


@pytest.mark.parametrize("step", list(OnboardingStep))
def test_every_step_is_known(step: OnboardingStep) -> None:
    assert parse(message="Hi", target_step=step.value).target_step is step


@pytest.mark.parametrize("sector", list(Sector))
def test_every_sector_is_known(sector: Sector) -> None:
    assert parse(message="Hi", sector=sector.value).sector == sector.value


@pytest.mark.parametrize("message", ["x", "x" * 1600, "नमस्ते", "👋" * 800, "a\nb", " x "])
def test_messages(message: str) -> None:
    assert parse(message=message).message == message


@pytest.mark.parametrize(
    "text", ["2026-12-01T10:00:00+05:30", "2026-12-01T04:30:00Z", "2026-12-01T04:30+00:00", "2026-12-01 10:00+05:30"]
)
def test_moments(text: str) -> None:
    moment = parse(message="Hi", schedule_at=text).schedule_at
    assert moment == datetime(2026, 12, 1, 4, 30, tzinfo=UTC)


def test_what_is_overdue() -> None:
    assert not parse(message="Hi").is_overdue(NOON)
    for seconds, expected in ((-1, True), (0, True), (1, False)):
        moment = (NOON + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert parse(message="Hi", schedule_at=moment.isoformat()).is_overdue(NOON) is expected


FILTERS = ("target_step", "language", "sector", "pincode_prefix", "schedule_at", "purpose")
FLAGS = ("include_completed", "dry_run")
EMPTY_FILTERS: tuple[object, ...] = ("", " ", "\0", [], {}, [[]], False, 0)
EMPTY_FLAGS: tuple[object, ...] = ("", [], {}, [True])
FAULTS: list[tuple[str, Any]] = [
    ("message", {}),
    ("message", {"message": "Hi", "content_sid": SID}),
    ("message", {"message": ""}),
    ("message", {"message": " \n"}),
    ("message", {"message": "x" * 1601}),
    ("message", {"message": 5}),
    ("message", {"message": ["Hi"]}),
    ("message", {"message": True}),
    ("message", {"message": f"Hi{HALF}"}),
    ("message", {"message": None}),
    ("content_sid", {"content_sid": "HX123"}),
    ("content_sid", {"content_sid": SID + "\n"}),
    ("content_sid", {"content_sid": "MG" + "0" * 32}),
    ("content_sid", {"content_sid": 7}),
    ("content_variables", {"message": "Hi", "content_variables": {"1": "x"}}),
    ("content_variables", {"content_sid": SID, "content_variables": ["x"]}),
    ("content_variables", {"content_sid": SID, "content_variables": {"1": 5}}),
    ("content_variables", {"content_sid": SID, "content_variables": {"1": ""}}),
    ("content_variables", {"content_sid": SID, "content_variables": {"1": None}}),
    ("content_variables", {"content_sid": SID, "content_variables": {"1": HALF}}),
    ("content_variables", {"content_sid": SID, "content_variables": {HALF: "x"}}),
    ("content_variables", {"content_sid": SID, "content_variables": "1=x"}),
    ("purpose", {"message": "Hi", "purpose": "spam"}),
    ("purpose", {"message": "Hi", "purpose": ""}),
    ("purpose", {"message": "Hi", "purpose": 1}),
    ("target_step", {"message": "Hi", "target_step": "dancing"}),
    ("target_step", {"message": "Hi", "target_step": "PHONE"}),
    ("target_step", {"message": "Hi", "target_step": ["phone"]}),
    ("language", {"message": "Hi", "language": "xx"}),
    ("language", {"message": "Hi", "language": 1}),
    ("sector", {"message": "Hi", "sector": "magic"}),
    ("sector", {"message": "Hi", "sector": 7}),
    ("pincode_prefix", {"message": "Hi", "pincode_prefix": "0"}),
    ("pincode_prefix", {"message": "Hi", "pincode_prefix": "5600011"}),
    ("pincode_prefix", {"message": "Hi", "pincode_prefix": ""}),
    ("pincode_prefix", {"message": "Hi", "pincode_prefix": "५६"}),
    ("pincode_prefix", {"message": "Hi", "pincode_prefix": 56}),
    ("include_completed", {"message": "Hi", "include_completed": "no"}),
    ("include_completed", {"message": "Hi", "include_completed": 0}),
    ("dry_run", {"message": "Hi", "dry_run": "yes"}),
    ("dry_run", {"message": "Hi", "dry_run": 1}),
    ("schedule_at", {"message": "Hi", "schedule_at": "tomorrow"}),
    ("schedule_at", {"message": "Hi", "schedule_at": ""}),
    ("schedule_at", {"message": "Hi", "schedule_at": "2026-12-01T10:00:00"}),
    ("schedule_at", {"message": "Hi", "schedule_at": "2026-12-01"}),
    ("schedule_at", {"message": "Hi", "schedule_at": "2026-13-01T10:00:00Z"}),
    ("schedule_at", {"message": "Hi", "schedule_at": "0001-01-01T00:00:00+05:30"}),
    ("schedule_at", {"message": "Hi", "schedule_at": "9999-12-31T23:59:59-05:30"}),
    ("schedule_at", {"message": "Hi", "schedule_at": "9999-12-31T23:59:59+00:00"}),
    ("schedule_at", {"message": "Hi", "schedule_at": 1795329000}),
    *((name, {"message": "Hi", name: None}) for name in FIELDS if name != "message"),
    ("message", {"message": "Hi\0"}),
    ("message", {"message": "Hi \x1b[2J"}),
    ("message", {"message": {}}),
    ("content_variables", {"content_sid": SID, "content_variables": {"1": " "}}),
    ("content_variables", {"content_sid": SID, "content_variables": {"1": "a\0b"}}),
    ("content_variables", {"content_sid": SID, "content_variables": {"1": ["x"]}}),
    ("content_variables", {"message": "Hi", "content_variables": []}),
    *((name, {"message": "Hi", name: empty}) for name in FILTERS for empty in EMPTY_FILTERS),
    *((name, {"message": "Hi", name: "true"}) for name in FLAGS),
    *((name, {"message": "Hi", name: "false"}) for name in FLAGS),
    *((name, {"message": "Hi", name: number}) for name in FLAGS for number in (0, 1, 1.0, float("nan"), 10**400)),
    *((name, {"message": "Hi", name: empty}) for name in FLAGS for empty in EMPTY_FLAGS),
    ("dryrun", {"message": "Hi", "dryrun": True}),
    ("dry-run", {"message": "Hi", "dry-run": True}),
    ("dry_run ", {"message": "Hi", "dry_run ": True}),
    ("DRY_RUN", {"message": "Hi", "DRY_RUN": True}),
    ("priority", {"message": "Hi", "priority": 1}),
    ("Message", {"Message": "Hi"}),
    ("text", {"message": "Hi", "text": None}),
    ("?", {"message": "Hi", HALF: 1}),
]


@pytest.mark.parametrize(("field", "body"), FAULTS, ids=[f"{name}: {str(body)[:50]!a}" for name, body in FAULTS])
def test_a_fault_names_its_field(field: str, body: Any) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        parse(**body)
    assert caught.value.name == field
    assert caught.value.detail


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    ["message", "content_sid", "content_variables", "purpose", "schedule_at", "pincode_prefix", "x"]
)


@given(body=st.dictionaries(names | st.text(max_size=5), json_values, max_size=4))
@settings(deadline=None, max_examples=150)
def test_any_json_is_a_definition_or_a_fault(body: Any) -> None:
    try:
        definition = parse(**body)
    except InvalidFieldError:
        return
    assert Definition.from_json(definition.to_json()) == definition
    definition.to_json().encode()
