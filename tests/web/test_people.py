"""People's data for admins: looked up, erased, and a yes or no written down, with nobody named in any log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from werkzeug.test import TestResponse

from tests.conversation.test_own_data import is_unknown
from tests.fakes import MovableClock
from tests.settings import ENVIRONMENT
from tests.talker import OWNER, Talker
from tests.web.test_roles import audits

ANSWERS = {"name": "Asha Devi", "sector": "Retail", "pincode": "560001", "phone": "+919876543210"}
PATHS = ("/people/lookup", "/people/erase", "/people/consent")


def call(app: Flask, path: str, body: Any = None, **fields: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
    return app.test_client().post(path, json=fields if body is None else body, headers=headers)


def told(app: Flask, path: str, **fields: Any) -> Any:
    response = call(app, path, **fields)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def consent(app: Flask, purpose: str, *, given: bool, **fields: Any) -> Any:
    return told(app, "/people/consent", address=OWNER, purpose=purpose, given=given, **fields)


# --- look up -------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_shown(app: Flask, talker: Talker) -> None:
    talker.answers_everything().says("YES").says("UPDATES")
    found = told(app, "/people/lookup", address="+91 98765 43210")
    assert (found["known"], found["address"], found["step"]) == (True, OWNER, "completed")
    assert found["answers"] == found["registration"]["answers"] == ANSWERS
    assert set(found["consents"]) == {"service", "marketing"}
    assert found["consents"]["marketing"]["source"] == talker.sid
    assert (found["opt_out"], found["unfinished"], found["language"]) == (None, None, None)
    assert found["last_inbound_at"] == "2026-11-22T06:30:00+00:00"
    assert found["kept_until"] == {
        "session": "2026-11-23T06:30:00+00:00",
        "contact": "2027-05-21T06:30:00+00:00",
    }
    assert len(found["otp_requests"]) == 1


def test_unfinished_answers_are_shown(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi")
    found = told(app, "/people/lookup", address=OWNER)
    assert found["unfinished"] == {"answers": {"name": "Asha Devi"}, "saved_at": "2026-11-22T06:30:00+00:00"}
    assert found["registration"] is None


def test_of_a_stranger_nothing_is_known(app: Flask) -> None:
    found = told(app, "/people/lookup", address=OWNER)
    assert found["known"] is False
    assert found["kept_until"] == {"session": None, "contact": None}
    assert not any(found[name] for name in ("address", "answers", "consents", "opt_out", "first_inbound_at"))


def test_of_somebody_erased_only_the_no_is_known(app: Flask, talker: Talker) -> None:
    talker.answers_everything().says_all("DELETE MY DATA", "YES")
    found = told(app, "/people/lookup", address=OWNER)
    assert (found["known"], found["address"], found["first_inbound_at"]) == (False, None, None)
    assert found["opt_out"] == {"at": "2026-11-22T06:30:00+00:00", "source": "erasure"}


def test_whoever_was_erased_and_comes_back_begins_anew(app: Flask, talker: Talker, clock: MovableClock) -> None:
    talker.says("STOP")
    clock.pass_(hours=1)
    talker.says_all("DELETE MY DATA", "YES")
    clock.pass_(hours=1)
    talker.says("Hi")
    assert told(app, "/people/lookup", address=OWNER)["first_inbound_at"] == "2026-11-22T08:30:00+00:00"


# --- erase ---------------------------------------------------------------------------------------------------------


def test_somebody_is_erased(app: Flask, talker: Talker, redis: Redis) -> None:
    talker.answers_everything()
    answer = told(app, "/people/erase", address="9876543210")
    assert (answer["erased"], answer["was_known"]) == (True, True)
    assert is_unknown(talker)
    assert len(list(redis.scan_iter("*:messages:*"))) == 1, "the messages at Twilio are to be deleted as well"
    assert told(app, "/people/erase", address=OWNER)["was_known"] is False


@pytest.mark.parametrize("typed", ["+91 (0) 98765-43210", "+91 098765 43210", "091-9876543210", "tel:+919876543210"])
def test_somebody_is_erased_in_every_way_of_writing_the_number(app: Flask, talker: Talker, typed: str) -> None:
    talker.answers_everything()
    answer = told(app, "/people/erase", address=typed)
    assert (answer["erased"], answer["was_known"]) == (True, True)
    assert is_unknown(talker)


def test_nothing_is_called_erased_where_nothing_was_known(app: Flask) -> None:
    answer = told(app, "/people/erase", address="+91 70000 00099")
    assert (answer["erased"], answer["was_known"]) == (False, False)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("+91 98765 4321", "9 digits"),
        ("+91 98765 432101", "11 digits"),
        ("whatsapp:+91987654321", "9 digits"),
        ("5876543210", "start with 6, 7, 8 or 9"),
        ("0014155238886", "must be written with +"),
        ("Mob. 98765 43210", "must be a WhatsApp address"),
    ],
)
def test_a_number_that_is_none_is_refused_with_the_reason(app: Flask, path: str, typed: str, reason: str) -> None:
    body = {"address": typed} | ({"purpose": "marketing", "given": False} if path.endswith("consent") else {})
    response = call(app, path, body)
    problem = response.get_json()
    assert (response.status_code, problem["field"]) == (400, "address")
    assert reason in problem["detail"]
    assert typed not in problem["detail"], "what was typed may be somebody's number"


def test_a_no_to_news_alone_is_shown(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "Stop promotions")
    found = told(app, "/people/lookup", address=OWNER)
    assert (found["opt_out"], found["news_ended"]["source"]) == (None, talker.sid)
    assert call(app, "/people/consent", address=OWNER, purpose="marketing", given=True).status_code == 409


def test_a_stranger_has_their_messages_at_twilio_deleted(app: Flask, redis: Redis) -> None:
    """The record may have expired long ago."""
    assert told(app, "/people/erase", address=OWNER)["was_known"] is False
    assert len(list(redis.scan_iter("*:messages:*"))) == 1


# --- consent -------------------------------------------------------------------------------------------------------


def test_a_yes_given_at_a_fair_is_recorded(app: Flask, talker: Talker, clock: MovableClock) -> None:
    talker.says_all("Hi", "Asha Devi")
    clock.pass_(hours=1)
    noted = consent(app, "marketing", given=True, note="form 12 of the Surat fair")
    assert noted["consents"]["marketing"] == {
        "at": "2026-11-22T07:30:00+00:00",
        "source": "admin admin",
        "wording": "form 12 of the Surat fair",
    }
    assert talker.stored.contact.consents["marketing"].source == "admin admin"
    talker.says("7").expects_step("pincode").says("MY DATA").hears("On 22-11-2026 you agreed to news")


def test_a_yes_is_what_broadcasts_go_by(app: Flask, talker: Talker, redis: Redis) -> None:
    talker.says_all("Hi", "Asha Devi")
    (permit,) = redis.scan_iter("*:permit:*")
    assert redis.hget(permit, "updates") is None
    consent(app, "marketing", given=True)
    assert redis.hget(permit, "updates") == str(int(MovableClock().moment.timestamp() * 1000)).encode()
    assert 0 < redis.pttl(permit) <= 180 * 24 * 3600 * 1000
    consent(app, "marketing", given=False)
    assert redis.hget(permit, "updates") is None


def test_a_no_that_leaves_another_yes_is_no_opt_out(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "UPDATES")
    noted = consent(app, "marketing", given=False)
    assert (set(noted["consents"]), noted["opt_out"]) == ({"service"}, None)


def test_a_no_to_both_is_an_opt_out(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "UPDATES")
    consent(app, "marketing", given=False)
    noted = consent(app, "service", given=False)
    assert (noted["consents"], noted["opt_out"]["source"]) == ({}, "admin admin")
    assert talker.stored.contact.opt_out.source == "admin admin"


def test_a_no_of_somebody_unknown_is_kept_alone(app: Flask, talker: Talker, redis: Redis) -> None:
    assert consent(app, "marketing", given=False)["opt_out"]["source"] == "admin admin"
    assert [name.split(b":")[1] for name in redis.scan_iter("{s*")] == [b"optout"]
    assert talker.says("Hi").stored.contact.opt_out.source == "admin admin"


def test_an_admin_takes_back_what_an_admin_wrote(app: Flask, talker: Talker) -> None:
    talker.says("Hi")
    consent(app, "service", given=False)
    assert consent(app, "marketing", given=True)["opt_out"] is None
    assert talker.stored.contact.opt_out is None


@pytest.mark.parametrize("said", [("STOP",), ("DELETE MY DATA", "YES"), ("DELETE MY DATA", "YES", "Hi")])
def test_only_the_person_takes_back_a_stop(app: Flask, talker: Talker, said: tuple[str, ...]) -> None:
    talker.says_all("Hi", "Asha Devi", *said)
    response = call(app, "/people/consent", address=OWNER, purpose="marketing", given=True)
    assert response.status_code == 409
    assert response.get_json()["type"] == "urn:msmebazaar:problem:opted-out"
    assert talker.stored.contact.opt_out is not None


def test_a_yes_of_somebody_who_never_wrote_has_no_place(app: Flask, redis: Redis) -> None:
    response = call(app, "/people/consent", address=OWNER, purpose="marketing", given=True)
    assert response.status_code == 404
    assert response.get_json()["type"] == "urn:msmebazaar:problem:unknown-person"
    assert list(redis.scan_iter("*optout*")) == []


def test_a_message_at_the_same_moment_loses_nothing(
    app: Flask, talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker.says_all("Hi", "Asha Devi")
    load, words = talker.store.load_together, iter(["7"])

    def look(people: list[str], message_sid: str = "") -> Any:
        known = load(people, message_sid)
        if not message_sid and (word := next(words, None)):
            talker.says(word)
        return known

    monkeypatch.setattr(talker.store, "load_together", look)
    consent(app, "marketing", given=True)
    talker.expects_data(name="Asha Devi", sector="Retail")
    assert set(talker.stored.contact.consents) == {"service", "marketing"}


# --- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "address"),
        ([], "address"),
        ("whatsapp:+919876543210", "address"),
        ({"address": 919876543210}, "address"),
        ({"address": "Asha"}, "address"),
        ({"address": OWNER, "number": "1"}, "number"),
    ],
)
def test_a_fault_names_its_field(app: Flask, path: str, body: Any, field: str) -> None:
    if path == "/people/consent" and isinstance(body, dict):
        body = {"purpose": "service", "given": True} | body
    response = call(app, path, body)
    assert response.status_code == 400
    assert response.get_json()["field"] == field
    assert "9876543210" not in response.get_json()["detail"].replace("+919876543210", "")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"purpose": "news"}, "purpose"),
        ({"given": "yes"}, "given"),
        ({"note": "x" * 201}, "note"),
        ({"note": 5}, "note"),
        ({"note": "half of a character: \ud83d"}, "note"),
    ],
)
def test_a_consent_says_what_it_is_about(app: Flask, changed: dict[str, Any], field: str) -> None:
    response = call(app, "/people/consent", {"address": OWNER, "purpose": "service", "given": True} | changed)
    assert response.status_code == 400
    assert response.get_json()["field"] == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "given"),
        ({"address": OWNER}, "given"),
        ({"address": OWNER, "given": True}, "purpose"),
        ({"address": 5, "given": True, "purpose": "news"}, "purpose"),
        ({"address": 5, "given": True, "note": 5}, "note"),
        ({"address": 5, "given": True, "note": ""}, "purpose"),
        ({"given": True, "purpose": "service"}, "address"),
    ],
)
def test_of_several_faults_one_of_the_consent_is_named_first(app: Flask, body: dict[str, Any], field: str) -> None:
    assert call(app, "/people/consent", body).get_json()["field"] == field


@pytest.mark.parametrize("path", PATHS)
def test_an_address_stands_in_no_url(app: Flask, path: str) -> None:
    headers = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
    client = app.test_client()
    assert client.get(f"{path}?address={OWNER}", headers=headers).status_code == 405
    assert client.post(f"{path}?address={OWNER}", headers=headers).status_code == 400


# --- the audit lines -----------------------------------------------------------------------------------------------


def test_each_call_is_written_down_without_the_address(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi")
    person = talker.store.identify(OWNER)
    with audits() as lines:
        told(app, "/people/lookup", address=OWNER)
        consent(app, "marketing", given=True, note="told Asha Devi at +919876543210")
        told(app, "/people/erase", address=OWNER)
        call(app, "/people/consent", address=OWNER, purpose="marketing", given=True)
    assert [line["action"] for line in lines] == ["people.lookup", "people.consent", "people.erase", "people.consent"]
    assert [line["outcome"] for line in lines] == ["done", "done", "done", "refused"]
    assert {line["person"] for line in lines} == {person}
    assert {line["key"] for line in lines} == {"admin"}
    assert "98765" not in json.dumps(lines)
    assert "Asha" not in json.dumps(lines)
