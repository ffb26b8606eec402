"""Nothing is done twice and nothing is lost: copies, crashes, and many messages of one person at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import fakeredis
import pytest
from flask import Flask
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.typing import EncodableT, KeyT

from onboarding_bot.app import create_app
from onboarding_bot.conversation.otp import LEASE
from onboarding_bot.conversation.session import REMEMBERED_REPLIES
from onboarding_bot.conversation.turn import OtpResult, RequestOtp
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import ENVIRONMENT, settings
from tests.talker import OWNER, Talker, message_in, new_sid, post_signed, webhook_form


class ProcessDied(BaseException):
    """What a kill -9 looks like from inside: nothing after it runs."""


def die() -> None:
    raise ProcessDied


# --- copies of a message -------------------------------------------------------------------------------------------


def test_a_copy_gets_the_same_reply_minutes_later_and_across_restart(talker: Talker, clock: MovableClock) -> None:
    talker.says_all("Hi", "Asha Devi")
    reply, sid = talker.reply, talker.sid
    clock.pass_(minutes=9)
    talker.says_all("RESTART", "Ravi Kumar")
    before = talker.stored
    assert talker.says("Asha Devi", sid=sid).reply == reply
    assert talker.stored == before


def test_a_copy_gets_its_reply_in_the_language_it_was_given_in(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi")
    reply, sid = talker.reply, talker.sid
    talker.says("HINDI")
    assert talker.says("Asha Devi", sid=sid).reply == reply


def test_sixty_four_messages_are_remembered(talker: Talker, clock: MovableClock) -> None:
    talker.says("Hi")
    heard = []
    for number in range(REMEMBERED_REPLIES):
        clock.pass_(seconds=2)
        heard.append((talker.says(f"STATUS{'.' * number}").sid, talker.reply))
    before = talker.stored
    for sid, reply in heard:
        assert talker.says("STATUS", sid=sid).reply == reply
    assert talker.stored == before
    assert len(before.session.remembered) == REMEMBERED_REPLIES


def test_a_copy_in_another_process_gets_the_same_reply(
    redis: Redis, app: Flask, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    here = Talker(app).answers_everything().says("YES")
    other_process = create_app(settings(), redis=redis, otp_service=otp_service, clock=clock.clock())
    assert Talker(other_process).says("YES", sid=here.sid).reply == here.reply
    assert len(otp_service.requests) == 1


@dataclass
class HangingOtpService:
    """Holds every request until it is let go, as an auth API does that is slow."""

    asked: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    requests: list[RequestOtp] = field(default_factory=list)

    def request_otp(self, request: RequestOtp, seconds_left: float) -> OtpResult:
        self.requests.append(request)
        self.asked.set()
        assert self.let_go.wait(timeout=120)
        return OtpResult.SENT


def test_a_copy_waits_for_the_reply_of_the_turn_that_is_running(redis: Redis) -> None:
    otp_service = HangingOtpService()
    app = create_app(settings(), redis=redis, otp_service=otp_service)
    Talker(app).answers_everything()
    sid, replies = new_sid(), []

    def deliver() -> None:
        replies.append(Talker(app).says("YES", sid=sid).reply)

    first, copy = threading.Thread(target=deliver), threading.Thread(target=deliver)
    first.start()
    assert otp_service.asked.wait(timeout=120)
    copy.start()
    Talker(app).says("YES").hears("being requested")
    assert not replies
    otp_service.let_go.set()
    first.join()
    copy.join()
    assert replies[0] == replies[1]
    assert "token=" in replies[0]
    assert len(otp_service.requests) == 1


# --- while an OTP is being requested -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["YES", "no", "Ravi Kumar", "BACK", "482911x"])
def test_another_message_meanwhile_reads_that_the_otp_is_being_requested(
    app: Flask, talker: Talker, otp_service: FakeOtpService, text: str
) -> None:
    heard: list[str] = []
    otp_service.during = lambda: heard.append(Talker(app).says(text).reply)
    talker.answers_everything().says("YES").expects_step("completed")
    assert "being requested" in heard[0]
    assert len(otp_service.requests) == 1


@pytest.mark.parametrize("command", ["STATUS", "STOP", "PRIVACY", "SUPPORT", "HELP", "hi"])
def test_commands_work_meanwhile_and_are_not_undone_by_the_outcome(
    app: Flask, talker: Talker, otp_service: FakeOtpService, command: str
) -> None:
    otp_service.during = lambda: Talker(app).says(command).does_not_hear("being requested")
    talker.answers_everything().says("YES").expects_step("completed").hears("token=")
    assert (talker.stored.contact.opt_out is not None) == (command == "STOP")


def test_restart_meanwhile_wins_and_the_outcome_changes_only_the_reply(
    app: Flask, talker: Talker, otp_service: FakeOtpService
) -> None:
    otp_service.during = lambda: Talker(app).says("RESTART")
    talker.answers_everything().says("YES").expects_step("name").expects_data().hears("started over", "full name")
    reply, sid = talker.reply, talker.sid
    assert talker.says("YES", sid=sid).reply == reply
    talker.expects_step("name").expects_data()


# --- crashes -------------------------------------------------------------------------------------------------------


def crash_while_requesting(talker: Talker, otp_service: FakeOtpService) -> str:
    otp_service.during = die
    sid = new_sid()
    with pytest.raises(ProcessDied):
        talker.says("YES", sid=sid)
    return sid


def test_after_a_crash_the_copy_takes_over_with_the_same_key_once_the_lease_is_over(
    talker: Talker, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    sid = crash_while_requesting(talker.answers_everything(), otp_service)
    crashed_at = clock.moment
    talker.says("YES", sid=sid).expects_step("completed").hears("token=")
    first, second = otp_service.requests
    assert first.intention_id == second.intention_id
    assert clock.moment - crashed_at >= LEASE


def test_after_a_crash_another_yes_takes_over_with_the_same_key(
    talker: Talker, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    sid = crash_while_requesting(talker.answers_everything(), otp_service)
    talker.says("YES").hears("being requested")
    clock.pass_(seconds=10)
    talker.says("YES").expects_step("completed")
    first, second = otp_service.requests
    assert first.intention_id == second.intention_id
    talker.says("YES", sid=sid).expects_step("completed").hears("already registered")
    assert len(otp_service.requests) == 2


def test_after_a_crash_and_a_restart_the_copy_is_not_taken_for_a_name(
    talker: Talker, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    sid = crash_while_requesting(talker.answers_everything(), otp_service)
    talker.says("RESTART")
    clock.pass_(seconds=11)
    talker.says("YES", sid=sid).expects_step("name").expects_data().hears("full name")


# --- Redis comes and goes ------------------------------------------------------------------------------------------


class FaultyRedis(fakeredis.FakeRedis):
    """Runs ``before_call`` ahead of each script, which may raise, or write something of its own."""

    before_call: Callable[[], object] | None = None

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: KeyT | EncodableT) -> object:
        if self.before_call:
            act, self.before_call = self.before_call, None
            act()
        return super().evalsha(sha, numkeys, *keys_and_args)


@pytest.fixture
def redis() -> FaultyRedis:
    return FaultyRedis()


def lose_connection() -> None:
    raise RedisConnectionError("gone")


def test_without_redis_the_webhook_says_503_and_the_retry_is_answered(
    app: Flask, talker: Talker, redis: FaultyRedis
) -> None:
    talker.says("Hi")
    redis.before_call = lose_connection
    form = webhook_form("Asha Devi")
    assert post_signed(app.test_client(), form).status_code == 503
    assert talker.stored.session.current_step == "name"
    assert "Asha Devi" in message_in(post_signed(app.test_client(), form))
    talker.expects_step("sector").expects_data(name="Asha Devi")


def test_redis_lost_after_the_otp_was_sent_sends_no_second_one_with_another_key(
    app: Flask, talker: Talker, otp_service: FakeOtpService, redis: FaultyRedis
) -> None:
    talker.answers_everything()
    otp_service.during = lambda: setattr(redis, "before_call", lose_connection)
    form = webhook_form("YES")
    assert post_signed(app.test_client(), form).status_code == 503
    assert "token=" in message_in(post_signed(app.test_client(), form))
    assert len({request.intention_id for request in otp_service.requests}) == 1


def test_a_commit_that_came_too_late_is_computed_again_from_the_newer_state(
    app: Flask, talker: Talker, redis: FaultyRedis
) -> None:
    talker.says("Hi")
    redis.before_call = lambda: Talker(app).says("Asha Devi")
    talker.says("7").expects_step("pincode").expects_data(name="Asha Devi", sector="Retail")


def test_a_person_whose_messages_keep_winning_is_asked_for_a_retry_in_time(
    app: Flask, talker: Talker, redis: FaultyRedis, clock: MovableClock
) -> None:
    talker.says("Hi")
    quick = Talker(app)

    def win_again() -> None:
        quick.says("STATUS")
        clock.pass_(seconds=7)
        redis.before_call = win_again

    redis.before_call = win_again
    assert post_signed(app.test_client(), webhook_form("Asha Devi")).status_code == 503
    redis.before_call = None
    talker.expects_step("name").expects_data()


def test_failed_webhooks_are_written_down_with_the_next_commit(app: Flask, talker: Talker, redis: FaultyRedis) -> None:
    redis.before_call = lose_connection
    assert post_signed(app.test_client(), webhook_form("Hi", OWNER)).status_code == 503
    talker.says("Hi")
    key = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
    assert app.test_client().get("/stats", headers=key).get_json()["error_rate"] == 0.5
