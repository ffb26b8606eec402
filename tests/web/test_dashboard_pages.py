"""What the dashboard shows of people, of itself and of broadcasts, and what it lets an admin do with them."""

from __future__ import annotations

import ast
import csv
import io
from dataclasses import astuple
from datetime import timedelta
from pathlib import Path

import fakeredis
import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.app import create_app
from onboarding_bot.conversation import validators
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.web.api.health import HealthReport, Parts
from onboarding_bot.web.dashboard.code_meanings import refused
from onboarding_bot.web.dashboard.overview import health_rows
from tests.broadcasts.people import add, add_many
from tests.broadcasts.world import TEMPLATE, World
from tests.fakes import NOON, FakeOtpService, MovableClock
from tests.settings import settings
from tests.talker import Talker
from tests.web.visitor import KEY, Visitor

UNKNOWN = "0" * 24
READER = "reader-key-of-the-tests"
KEYS = f"asha:read+send+data:{KEY},reader:read:{READER}"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def app(redis: Redis, otp_service: FakeOtpService, clock: MovableClock) -> Flask:
    return create_app(settings(ADMIN_API_KEY=KEYS), redis=redis, otp_service=otp_service, clock=clock.clock())


@pytest.fixture
def world(redis: Redis, clock: MovableClock) -> World:
    return World(redis=redis, clock=clock)


@pytest.fixture
def admin(app: Flask) -> Visitor:
    return Visitor(app).signs_in(at="/dashboard/broadcasts")


@pytest.fixture
def reader(app: Flask) -> Visitor:
    return Visitor(app).signs_in(READER, at="/dashboard/broadcasts")


def row_of(visitor: Visitor, step: str) -> list[str]:
    """The funnel's figures for a step: now, came, went on, gave up."""
    words = visitor.text.partition("Usual time")[2].partition("went on gave up")[0].split()
    place = words.index(step)
    return words[place + 1 : place + 5]


# --- people --------------------------------------------------------------------------------------------------------


def test_nobody_yet_is_said_kindly(admin: Visitor) -> None:
    admin.opens("/dashboard")
    assert "No broadcast yet." in admin.text
    assert "No message came in these days" in admin.text
    assert row_of(admin, "Name") == ["0", "0", "0", "0"]


def test_the_funnel_shows_who_is_where_and_how_they_came_there(admin: Visitor, talker: Talker) -> None:
    for text in ("Hi", "Asha Devi", "nonsense", "Textile"):
        talker.says(text)
    admin.opens("/dashboard")
    assert row_of(admin, "Name") == ["0", "1", "1", "0"]
    assert row_of(admin, "Sector") == ["0", "1", "1", "0"]
    assert row_of(admin, "Pincode") == ["1", "1", "0", "0"]
    assert "Sector: not understood 1" in admin.text
    assert "Messages 4 in 7 days" in admin.text


def test_the_figures_are_those_of_the_days_asked_for(admin: Visitor) -> None:
    for asked, shown in (("1", "today"), ("30", "in 30 days"), ("5", "in 7 days"), ("x", "in 7 days")):
        admin.opens(f"/dashboard?days={asked}")
        assert f"Messages 0 {shown}" in admin.text


def test_each_chart_has_its_table(admin: Visitor, talker: Talker) -> None:
    talker.says("Hi")
    admin.opens("/dashboard?days=30")
    assert admin.html.count('role="img" aria-label="') == 4
    for title in ("Messages", "Sign-ups", "Time to reply", "Error rate"):
        table = admin.html.partition(f'aria-label="Table: {title}"')[2].partition("</table>")[0]
        assert table.count('<th scope="row">') == 30
    assert "Messages 1 in 30 days" in admin.text
    assert "<title>Today: 1</title>" in admin.html


def test_small_groups_are_not_told(admin: Visitor, talker: Talker) -> None:
    talker.says("Hi")
    assert "English fewer than 5 fewer than 5" in admin.opens("/dashboard").text


def test_every_reason_to_refuse_an_answer_has_its_words() -> None:
    tree = ast.parse(Path(validators.__file__).read_text())
    codes = {
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "InvalidInput"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(codes) > 8
    for code in codes:
        step, _, reason = code.partition(".")
        assert not refused(step, code).endswith(f": {reason}"), code


def test_health_is_told_part_by_part(admin: Visitor) -> None:
    text = admin.opens("/dashboard").text.partition("Health")[2]
    assert "Redis Healthy" in text
    assert "Auth API" in text


def test_each_part_is_told_in_its_own_way() -> None:
    services: Parts = {
        "redis": {"status": "healthy", "response_ms": 0.9},
        "worker": {"status": "unhealthy", "last_seen": "2026-11-22T06:29:30+00:00", "seconds_ago": 30.0},
        "status_callback": {"status": "waiting", "last_seen": None, "seconds_ago": None},
        "queue": {"status": "healthy", "oldest_job_seconds": None},
        "another_queue": {"status": "unhealthy", "oldest_job_seconds": 190.0},
        "cluster": {"status": "degraded", "response_ms": 501.0, "unavailable": ["10.0.0.1:6379", "10.0.0.2:6379"]},
    }
    assert [astuple(row) for row in health_rows(HealthReport("degraded", services, 1.0))] == [
        ("Redis", "healthy", "Healthy", "1 ms"),
        ("Worker", "unhealthy", "Unhealthy", "30 s ago"),
        ("Status callbacks", "waiting", "Nothing yet", ""),
        ("Queue", "healthy", "Healthy", "nothing waits"),
        ("Another queue", "unhealthy", "Unhealthy", "waits 3 min"),
        ("Cluster", "degraded", "Degraded", "no writes at 10.0.0.1:6379, 10.0.0.2:6379"),
    ]


# --- broadcasts ----------------------------------------------------------------------------------------------------


def test_a_running_broadcast_shows_how_far_it_is(admin: Visitor, world: World) -> None:
    people = add_many(world.store, 4)
    add(world.store, has_stopped=True)
    broadcast_id = world.sending(Definition(message="The *fair* opens"))
    world.records.set_fields(broadcast_id, counted_at="1")
    for person_id, state in ((people[0], RecipientState.SENT), (people[1], RecipientState.FAILED)):
        world.recipients.claim(broadcast_id, person_id, world.record(broadcast_id).definition, NOON)
        world.recipients.record_send(
            broadcast_id, person_id, state, code="63024" if state is RecipientState.FAILED else ""
        )
    admin.opens("/dashboard")
    assert "The fair opens Sending 2 of 4 · 50 %" in admin.text
    assert 'aria-valuenow="50" aria-valuetext="2 of 4 recipients"' in admin.html
    admin.opens(f"/dashboard/broadcasts/{broadcast_id}")
    assert "63024 Not a valid WhatsApp recipient 1" in admin.text
    assert "Said STOP 1" in admin.text
    assert "<strong>fair</strong>" in admin.html


@pytest.mark.parametrize(
    ("status", "fields", "says"),
    [
        (BroadcastStatus.COUNTING, {}, "Counting the recipients…"),
        (
            BroadcastStatus.SENDING,
            {"rests_until": "2026-11-23T09:00:00+05:30"},
            "Quiet hours: goes on at 23 Nov, 09:00.",
        ),
        (BroadcastStatus.SENDING, {"counted_at": "1"}, "Waits: for a worker, the next wave, or a place"),
        (BroadcastStatus.SENDING, {"counted_at": "1", "rate": "11.4"}, "11.4 a second"),
        (BroadcastStatus.STOPPED, {"reason": "Twilio error 63041"}, "Twilio error 63041: The template is paused."),
        (BroadcastStatus.PAUSED, {"reason": "paused by an admin"}, "Paused by an admin."),
    ],
)
def test_a_broadcast_says_what_it_waits_for(
    admin: Visitor, world: World, status: BroadcastStatus, fields: dict[str, str], says: str
) -> None:
    broadcast_id = world.create()
    world.records.set_fields(broadcast_id, status=status.value, **fields)
    for path in ("/dashboard", f"/dashboard/broadcasts/{broadcast_id}"):
        assert says in admin.opens(path).text


def test_a_scheduled_one_says_when(admin: Visitor, world: World) -> None:
    world.create(Definition(message="Later", schedule_at=NOON + timedelta(days=1)))
    assert "Begins at 23 Nov, 12:00." in admin.opens("/dashboard").text


def test_paused_resumed_cancelled_with_a_question_before(admin: Visitor, world: World) -> None:
    broadcast_id = world.create()
    place = f"/dashboard/broadcasts/{broadcast_id}"
    admin.opens("/dashboard?days=1").submits(f"{place}/pause")
    assert world.status(broadcast_id) is BroadcastStatus.PAUSED
    assert "Messages 0 today" in admin.text, "it leads away from the page"
    admin.opens(place)
    admin.submits(f"{place}/resume")
    assert world.status(broadcast_id) is BroadcastStatus.COUNTING
    assert f"{place}/cancel" not in admin.actions
    assert f"{place}/cancel" in admin.page.links
    admin.opens(f"{place}/cancel")
    assert "cannot be resumed" in admin.text
    assert world.status(broadcast_id) is BroadcastStatus.COUNTING
    admin.submits(f"{place}/cancel")
    assert world.status(broadcast_id) is BroadcastStatus.CANCELLED
    assert admin.actions == {"/dashboard/sign-out"}


def test_what_comes_too_late_is_said_on_a_page(admin: Visitor, world: World) -> None:
    broadcast_id = world.create()
    place = f"/dashboard/broadcasts/{broadcast_id}"
    admin.opens(place)
    world.service.cancel(broadcast_id)
    admin.submits(f"{place}/pause", status=409)
    assert "The broadcast is cancelled" in admin.text


def test_everything_is_held_at_once(admin: Visitor, world: World) -> None:
    ids = [world.create(), world.create()]
    admin.opens("/dashboard").submits("/dashboard/broadcasts/pause-all")
    assert {world.status(broadcast_id) for broadcast_id in ids} == {BroadcastStatus.PAUSED}


def test_uncertain_ones_are_sent_again_after_a_question(admin: Visitor, world: World) -> None:
    person_id = add(world.store)
    broadcast_id = world.sending()
    world.recipients.claim(broadcast_id, person_id, world.record(broadcast_id).definition, NOON)
    world.recipients.record_send(broadcast_id, person_id, RecipientState.UNCERTAIN)
    place = f"/dashboard/broadcasts/{broadcast_id}/resend-uncertain"
    assert place in admin.opens(f"/dashboard/broadcasts/{broadcast_id}").page.links
    admin.opens(place)
    assert "may read it twice" in admin.text
    admin.submits(place)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.PENDING


def test_the_list_goes_page_by_page(admin: Visitor, world: World, clock: MovableClock) -> None:
    for number in range(21):
        world.create(Definition(message=f"Number {number}."))
        clock.pass_(seconds=1)
    first = admin.opens("/dashboard/broadcasts").text
    assert "Number 20." in first
    assert "Number 0." not in first
    assert "/dashboard/broadcasts?page=2" in admin.page.links
    assert "Number 0." in admin.opens("/dashboard/broadcasts?page=2").text
    for page in ("0", "-1", "x", "9" * 30, "²"):
        admin.opens(f"/dashboard/broadcasts?page={page}")


@pytest.mark.parametrize("broadcast_id", [UNKNOWN, "x", "%7Bs1%7D", "é"])
def test_what_there_is_not_is_a_page_that_says_so(admin: Visitor, broadcast_id: str) -> None:
    for what in ("", "/cancel", "/resend-uncertain", "/recipients.csv"):
        admin.opens(f"/dashboard/broadcasts/{broadcast_id}{what}", status=404)
        assert "There is no broadcast with this id." in admin.text


@pytest.mark.parametrize(("key", "shown"), [(KEY, "whatsapp:+919876543210"), (READER, "whatsapp:+91******3210")])
def test_the_file_shows_numbers_to_those_who_may_see_them(app: Flask, world: World, key: str, shown: str) -> None:
    add(world.store)
    broadcast_id = world.sending()
    response = Visitor(app).signs_in(key).client.get(f"/dashboard/broadcasts/{broadcast_id}/recipients.csv")
    assert response.mimetype == "text/csv"
    assert [line["recipient"] for line in csv.DictReader(io.StringIO(response.get_data(as_text=True)))] == [shown]


def test_what_is_stored_is_shown_as_text(admin: Visitor, world: World) -> None:
    ids = [
        world.sending(Definition(message=f"*{EVIL}* ```{EVIL}```", pincode_prefix="5")),
        world.create(Definition(content_sid=TEMPLATE.content_sid, content_variables={EVIL: EVIL})),
    ]
    for broadcast_id in ids:
        world.records.transition(broadcast_id, BroadcastStatus.STOPPED, list(BroadcastStatus), EVIL)
        world.records.set_fields(broadcast_id, counted_at="1")
    person_id = add(world.store, wrote_at=NOON)
    world.redis.hset(f"{{s0}}:broadcast:{ids[0]}:counts", f"failed:{EVIL}", 1)
    assert person_id
    for path in ("/dashboard", "/dashboard/broadcasts", *(f"/dashboard/broadcasts/{one}" for one in ids)):
        admin.opens(path)
        assert not {"img onerror", "b"} & admin.page.tags
        assert admin.html.count("<script") == 1
        assert "onerror=alert" not in admin.html.replace("&gt;&lt;img src=x onerror=alert", "")


# --- who may what --------------------------------------------------------------------------------------------------

STEERING = [
    ("GET", "/dashboard/broadcasts/new"),
    ("POST", "/dashboard/broadcasts/new"),
    ("POST", "/dashboard/broadcasts/preview"),
    ("POST", "/dashboard/broadcasts/confirm"),
    ("POST", "/dashboard/broadcasts/send"),
    ("POST", "/dashboard/broadcasts/pause-all"),
    *(
        (method, f"/dashboard/broadcasts/{{id}}/{action}")
        for method, action in (
            ("POST", "pause"),
            ("POST", "resume"),
            ("GET", "cancel"),
            ("POST", "cancel"),
            ("GET", "resend-uncertain"),
            ("POST", "resend-uncertain"),
        )
    ),
]


def test_a_reader_is_offered_nothing_that_steers(reader: Visitor, world: World) -> None:
    broadcast_id = world.create()
    for path in ("/dashboard", "/dashboard/broadcasts", f"/dashboard/broadcasts/{broadcast_id}"):
        reader.opens(path)
        assert reader.actions == {"/dashboard/sign-out"}
        assert not [link for link in reader.page.links if link.endswith(("/new", "/cancel"))]


def test_a_reader_steers_nothing(reader: Visitor, world: World) -> None:
    broadcast_id = world.create()
    for method, path in STEERING:
        response = reader.client.open(path.format(id=broadcast_id), method=method)
        assert response.status_code == 403, path
        assert "lacks the role send" in response.get_data(as_text=True)
    assert world.status(broadcast_id) is BroadcastStatus.COUNTING


def test_a_form_from_elsewhere_steers_nothing(admin: Visitor, world: World) -> None:
    broadcast_id = world.create()
    for method, path in STEERING:
        if method == "POST":
            for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": ""}):
                response = admin.client.post(path.format(id=broadcast_id), headers=headers)
                assert response.status_code == 403, path
                assert "No page of the dashboard sent this" in response.get_data(as_text=True)
    assert world.status(broadcast_id) is BroadcastStatus.COUNTING


def test_who_steered_stands_in_the_log(admin: Visitor, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    broadcast_id = world.create()
    place = f"/dashboard/broadcasts/{broadcast_id}"
    admin.opens(place).submits(f"{place}/pause")
    lines = [line for line in capsys.readouterr().out.splitlines() if "audit" in line]
    assert len(lines) == 1
    for part in ("broadcast.pause", "asha", broadcast_id, "done"):
        assert part in lines[0]


def test_signed_out_in_between_is_said_and_nothing_happens(admin: Visitor, world: World) -> None:
    broadcast_id = world.create()
    place = f"/dashboard/broadcasts/{broadcast_id}"
    admin.opens(place)
    world.redis.delete(*world.redis.keys("*sign-in*"))
    admin.submits(f"{place}/pause", status=401)
    assert "You are signed out" in admin.text
    assert world.status(broadcast_id) is BroadcastStatus.COUNTING


# --- when something is wrong ---------------------------------------------------------------------------------------


def test_without_redis_every_page_says_so(clock: MovableClock) -> None:
    server = fakeredis.FakeServer()
    app = create_app(settings(), redis=fakeredis.FakeRedis(server=server), clock=clock.clock())
    visitor = Visitor(app).signs_in()
    server.connected = False
    for page in ("", "/broadcasts", "/broadcasts/new", "/sign-in", "/x"):
        visitor.opens(f"/dashboard{page}", status=503)
        assert "Redis does not answer" in visitor.text
        assert '<meta http-equiv="refresh" content="10">' in visitor.html
    server.connected = True
    visitor.opens("/dashboard")
    assert "Where people are" in visitor.text


def test_an_unexpected_error_is_a_page_with_a_reference(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError(KEY)

    monkeypatch.setattr("onboarding_bot.broadcasts.service.BroadcastService.newest", break_down)
    admin.opens("/dashboard", status=500)
    reference = admin.text.partition("under the reference ")[2].partition(".")[0]
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "unexpected_error" in line]
    assert reference
    assert reference in line
    assert KEY not in admin.html + line


@pytest.mark.parametrize(
    ("method", "site", "status"),
    [
        ("GET", "cross-site", 404),
        ("HEAD", "cross-site", 404),
        ("POST", "same-origin", 404),
        ("POST", "cross-site", 403),
        ("DELETE", "cross-site", 403),
    ],
)
def test_an_unknown_page_is_a_page(admin: Visitor, method: str, site: str, status: int) -> None:
    response = admin.client.open("/dashboard/no/such/page", method=method, headers={"Sec-Fetch-Site": site})
    assert (response.status_code, response.mimetype) == (status, "text/html")


def test_too_much_for_one_form_is_a_page(admin: Visitor) -> None:
    admin.opens("/dashboard/broadcasts/new")
    admin.submits("/dashboard/broadcasts/new", {"message": "x" * 70_000}, status=413)
    assert "send less" in admin.text


def test_without_a_script_the_page_renews_itself(admin: Visitor) -> None:
    for path in ("/dashboard", "/dashboard/broadcasts"):
        assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in admin.opens(path).html


def test_each_step_has_its_row(admin: Visitor) -> None:
    admin.opens("/dashboard")
    for step in OnboardingStep:
        assert row_of(admin, step.value.capitalize()) == ["0", "0", "0", "0"]
