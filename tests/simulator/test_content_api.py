"""The Content API: templates are created, judged by Meta, listed, sent and deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twilio.rest.content.v1.content import ContentInstance

from tests.simulator.simulated_world import ACCOUNT, World, body_of

TEXT = {
    "friendly_name": "nudge_en",
    "language": "en",
    "variables": {"1": "Asha", "2": "your pincode"},
    "types": {"twilio/text": {"body": "Hello {{1}}, we still need {{2}} from you."}},
}
BUTTONS = {
    "friendly_name": "welcome_back",
    "language": "en",
    "types": {
        "twilio/quick-reply": {
            "body": "Welcome back, {{1}}! Shall we go on?",
            "actions": [{"title": "Yes, {{1}}", "id": "continue"}, {"title": "Later", "id": "later"}],
        },
        "twilio/text": {"body": "Welcome back!"},
    },
}


def create(world: World, template: dict[str, Any]) -> Any:
    answer = world.twilio("POST", "/v1/Content", json=template)
    assert answer.status_code == 201, answer.text
    return body_of(answer)


def submit(world: World, sid: str, name: str = "nudge", category: str = "UTILITY") -> Any:
    path = f"/v1/Content/{sid}/ApprovalRequests/whatsapp"
    return world.twilio("POST", path, json={"name": name, "category": category})


def approval(world: World, sid: str) -> Any:
    answer = body_of(world.twilio("GET", f"/v1/Content/{sid}/ApprovalRequests"))
    assert (answer["sid"], answer["account_sid"]) == (sid, ACCOUNT)
    return answer["whatsapp"]


def test_a_template_is_kept_as_it_was_given(world: World) -> None:
    made = create(world, TEXT)
    assert made.items() >= TEXT.items()
    assert (made["sid"][:2], len(made["sid"]), made["date_created"]) == ("HX", 34, "2026-11-22T10:00:00Z")
    assert made["links"]["approval_fetch"] == f"{made['url']}/ApprovalRequests"
    assert body_of(world.twilio("GET", f"/v1/Content/{made['sid']}")) == made
    assert ContentInstance(None, made).date_created.year == 2026, "Twilio's own library reads it"


def test_templates_are_listed_in_pages(world: World) -> None:
    sids: list[str] = []
    for _ in range(3):
        sids.insert(0, create(world, TEXT)["sid"])
        world.clock.advance(seconds=1)
    first = body_of(world.twilio("GET", "/v1/Content?PageSize=2"))
    assert first["meta"]["key"] == "contents"
    path = first["meta"]["next_page_url"].removeprefix("http://127.0.0.1:5050")
    second = body_of(world.twilio("GET", path))
    assert [template["sid"] for template in first["contents"] + second["contents"]] == sids
    assert second["meta"]["next_page_url"] is None
    both = body_of(world.twilio("GET", "/v1/ContentAndApprovals"))
    assert {template["approval_requests"]["status"] for template in both["contents"]} == {"unsubmitted"}


def test_a_template_can_be_deleted(world: World) -> None:
    sid = create(world, TEXT)["sid"]
    assert world.twilio("DELETE", f"/v1/Content/{sid}").status_code == 204
    for method in ("GET", "DELETE"):
        assert body_of(world.twilio(method, f"/v1/Content/{sid}"))["code"] == 20404
    assert body_of(world.send(ContentSid=sid))["code"] == 21655


def test_the_content_api_wants_credentials(world: World) -> None:
    assert world.client.get("/v1/Content").status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        TEXT | {"language": ""},
        TEXT | {"types": {}},
        TEXT | {"types": {"twilio/text": "Hello"}},
        TEXT | {"variables": {"1": 1}},
        TEXT | {"friendly_name": None},
    ],
)
def test_a_template_without_its_parts_is_refused(world: World, wrong: Any) -> None:
    answer = world.twilio("POST", "/v1/Content", json=wrong)
    assert (answer.status_code, body_of(answer)["code"]) == (400, 20001)


def test_approval_takes_its_time(world: World) -> None:
    sid = create(world, TEXT)["sid"]
    assert approval(world, sid)["status"] == "unsubmitted"
    answer = submit(world, sid)
    assert answer.status_code == 201
    assert body_of(answer) == {
        "name": "nudge",
        "category": "UTILITY",
        "content_type": "twilio/text",
        "status": "received",
        "rejection_reason": "",
        "allow_category_change": True,
    }
    seen = []
    for _ in range(3):
        seen.append(approval(world, sid)["status"])
        world.clock.advance(seconds=3)
    assert seen == ["received", "pending", "approved"]
    assert submit(world, sid).status_code == 400
    assert world.twilio("PUT", f"/v1/Content/{sid}", json=TEXT).status_code == 400


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("please_reject_me", "Hello", "INCORRECT_CATEGORY"),
        ("nudge", "{{1}}, hello", "INVALID_FORMAT"),
        ("nudge", "Hello {{1}}", "INVALID_FORMAT"),
        ("nudge", "Hello {{1}} {{2}}!", "INVALID_FORMAT"),
        ("nudge", "Hello {{1}} and {{2}}!", ""),
    ],
)
def test_meta_rejects_a_name_and_a_form(world: World, name: str, body: str, reason: str) -> None:
    world.break_down(template_approval_seconds=0)
    sid = create(world, TEXT | {"types": {"twilio/text": {"body": body}}})["sid"]
    assert body_of(submit(world, sid, name))["status"] == "received"
    verdict = approval(world, sid)
    assert (verdict["status"], verdict["rejection_reason"]) == ("rejected" if reason else "approved", reason)


def test_a_rejected_template_can_be_mended_and_submitted_again(world: World) -> None:
    world.break_down(template_approval_seconds=0)
    sid = create(world, TEXT | {"types": {"twilio/text": {"body": "Hello {{1}}"}}})["sid"]
    submit(world, sid)
    changed = world.twilio("PUT", f"/v1/Content/{sid}", json={"types": TEXT["types"]})
    assert body_of(changed)["types"] == TEXT["types"]
    assert approval(world, sid)["status"] == "unsubmitted"
    assert submit(world, sid).status_code == 201
    assert approval(world, sid)["status"] == "approved"


def test_meta_can_make_marketing_of_it(world: World) -> None:
    world.break_down(template_approval_seconds=0, template_category="marketing")
    sid = create(world, TEXT)["sid"]
    submit(world, sid)
    assert (approval(world, sid)["status"], approval(world, sid)["category"]) == ("approved", "MARKETING")


@pytest.mark.parametrize(("name", "category"), [("Nudge!", "UTILITY"), ("", "UTILITY"), ("nudge", "SERVICE")])
def test_a_submission_has_rules(world: World, name: str, category: str) -> None:
    sid = create(world, TEXT)["sid"]
    assert submit(world, sid, name, category).status_code == 400
    assert approval(world, sid)["status"] == "unsubmitted"


def test_a_sent_template_is_filled_in(world: World) -> None:
    sid = create(world, TEXT)["sid"]
    values = json.dumps({"1": "Asha & Co", "2": "your pincode"})
    assert world.send(ContentSid=sid, ContentVariables=values).status_code == 201
    assert world.happened("reply")[0]["text"] == "Hello Asha & Co, we still need your pincode from you."


def test_a_template_brings_its_buttons(world: World) -> None:
    sid = create(world, BUTTONS)["sid"]
    world.send(ContentSid=sid, ContentVariables='{"1": "Asha"}')
    reply = world.happened("reply")[0]
    assert reply["text"] == "Welcome back, Asha! Shall we go on?"
    assert reply["buttons"] == [{"id": "continue", "title": "Yes, Asha"}, {"id": "later", "title": "Later"}]


@pytest.mark.parametrize("variables", ["", '{"1": "Asha"}', '{"1": "Asha", "2": ""}', '{"1": 1, "2": "x"}', "[]", "{"])
def test_a_variable_without_a_value_is_refused(world: World, variables: str) -> None:
    sid = create(world, TEXT)["sid"]
    answer = world.send(ContentSid=sid, ContentVariables=variables)
    assert (answer.status_code, body_of(answer)["code"]) == (400, 21656)
    assert world.sent["total"] == 0


def test_a_text_that_grows_too_long_is_refused(world: World) -> None:
    sid = create(world, TEXT)["sid"]
    values = json.dumps({"1": "x" * 1000, "2": "y" * 100})
    assert body_of(world.send(ContentSid=sid, ContentVariables=values))["code"] == 63021


def test_only_approved_templates_reach_those_outside_the_window(world: World) -> None:
    world.break_down(window="enforced")
    sid = create(world, TEXT)["sid"]
    values = '{"1": "Asha", "2": "your pincode"}'
    submit(world, sid)
    for expected in (63016, None):
        message_sid = body_of(world.send(ContentSid=sid, ContentVariables=values))["sid"]
        path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{message_sid}.json"
        assert body_of(world.twilio("GET", path))["error_code"] == expected
        world.clock.advance(seconds=6)
