"""A release that knows no aliases runs beside this one, on the same Redis, and may be gone back to."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.turn import InboundMessage
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.storage import keys
from onboarding_bot.storage.session_store import StoredPerson
from onboarding_bot.wiring import Parts, build_parts
from tests.fakes import FakeOtpService, MovableClock
from tests.inside import forget_addresses
from tests.settings import settings
from tests.talker import Talker, new_sid

ASHA, NUMBER = "IN.13491208655302741918", "whatsapp:+919876543210"
TEMPLATE = Definition(content_sid="HX" + "a" * 32)


@dataclass(frozen=True)
class ReleaseBefore:
    """What the release before this one does with a message and with a broadcast: a person is the hash of ``From``."""

    parts: Parts
    clock: MovableClock

    def takes(self, sender: str, *texts: str) -> None:
        bot = self.parts.conversation.bot
        for text in texts:
            self.clock.pass_(seconds=1)
            known = self._known(sender)
            message = InboundMessage(new_sid(), sender, text)
            turn = bot._engine.advance(known.session, known.contact, message, self.clock.moment)
            stored = self.parts.storage.store.commit(known, turn.session, turn.contact, {}, self.clock.moment)
            assert isinstance(stored, StoredPerson)

    def knows(self, sender: str) -> Contact:
        contact = self._known(sender).contact
        assert contact is not None
        return contact

    def sends_to(self) -> list[str]:
        """Where a broadcast of that release goes."""
        parts, now = self.parts, self.clock.moment
        broadcast, _ = parts.storage.broadcast_records.create(TEMPLATE, now, None)
        parts.storage.audiences.fix(broadcast, None, now)
        parts.storage.broadcast_records.transition(broadcast, BroadcastStatus.SENDING, [BroadcastStatus.COUNTING])
        claims = []
        for shard in range(keys.SHARDS):
            people = parts.storage.audiences.people(broadcast, shard, 0)
            parts.storage.recipients.add(broadcast, shard, people, TEMPLATE, now)
            claims += [parts.storage.recipients.claim(broadcast, person_id, TEMPLATE, now) for person_id in people]
        return [contact.address for contact in claims if contact]

    def _known(self, sender: str) -> StoredPerson:
        return self.parts.storage.store.load(self.parts.storage.store.identify(sender))


@pytest.fixture
def before(redis: Redis, otp_service: FakeOtpService, clock: MovableClock) -> ReleaseBefore:
    return ReleaseBefore(
        build_parts(settings(), redis=redis, otp_service=otp_service, clock=clock.clock()),
        clock,
    )


@pytest.fixture
def by_both(app: Flask) -> Talker:
    return Talker(app, NUMBER, ASHA)


@pytest.fixture
def by_id(by_both: Talker) -> Talker:
    return by_both.hiding_the_number()


@pytest.fixture
def met_by_id(by_both: Talker, by_id: Talker, clock: MovableClock) -> Talker:
    """Who stands under the id's hash: the number is an alias, of which the release before knows nothing."""
    by_id.says("Hi")
    clock.pass_(seconds=1)
    return by_both.says("Asha Devi")


def test_a_person_whom_that_release_knows_is_recognised_and_known_to_it_again(
    before: ReleaseBefore, by_both: Talker, by_id: Talker
) -> None:
    before.takes(NUMBER, "Hi", "Asha Devi")
    by_both.says("7").expects_step("pincode")
    before.takes(NUMBER, "560001")
    by_id.expects_step("phone").expects_data(name="Asha Devi", sector="Retail", pincode="560001")


@pytest.mark.parametrize("way", ["by_id", "by_both"])
@pytest.mark.parametrize("met_first", ["by_id", "by_both"])
def test_a_stop_is_obeyed_by_that_release(
    request: pytest.FixtureRequest, before: ReleaseBefore, met_first: str, by_both: Talker, way: str
) -> None:
    request.getfixturevalue(met_first).says("Hi")
    by_both.says("Asha Devi")
    request.getfixturevalue(way).says("STOP")
    assert before.sends_to() == []
    assert before.knows(NUMBER).opt_out is not None
    before.takes(NUMBER, "Hi", "Asha Devi")
    assert before.sends_to() == []
    request.getfixturevalue(way).says("HELP")
    assert by_both.stored.contact.opt_out is not None


@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "another process"])
def test_a_stop_that_release_received_under_an_alias_is_obeyed(
    app: Flask, before: ReleaseBefore, met_by_id: Talker, by_id: Talker, restarts: bool
) -> None:
    before.takes(NUMBER, "STOP")
    if restarts:
        forget_addresses(app)
    met_by_id.says("HELP")
    assert met_by_id.stored.contact.opt_out is not None
    assert by_id.stored.contact.opt_out is not None
    assert before.sends_to() == []


def test_a_record_that_release_wrote_under_an_alias_is_joined(
    before: ReleaseBefore, met_by_id: Talker, by_id: Talker, clock: MovableClock
) -> None:
    before.takes(NUMBER, "Hi", "Asha D", "6", "560001")
    clock.pass_(seconds=1)
    met_by_id.says("HELP")
    for talker in (met_by_id, by_id):
        talker.expects_step("phone").expects_data(name="Asha D", sector="Agriculture", pincode="560001")
    assert sum(by_id.store.add_up(clock.moment).sessions.values()) == 1
    assert before.sends_to() == [NUMBER]


@pytest.mark.parametrize("met_first", ["by_id", "by_both"])
def test_the_next_holder_of_a_number_stops_and_starts_for_no_one_else(
    app: Flask, request: pytest.FixtureRequest, by_both: Talker, by_id: Talker, met_first: str
) -> None:
    request.getfixturevalue(met_first).says("Hi")
    by_both.says_all("Asha Devi")
    ravi = Talker(app, NUMBER, "IN.77001").says("Hi")
    ravi.says("STOP")
    assert by_id.stored.contact.opt_out is None
    by_id.says("STOP")
    ravi.says("START")
    assert by_id.stored.contact.opt_out is not None
    assert ravi.stored.contact.opt_out is None
