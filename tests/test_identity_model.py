"""Any order of messages under any address, against people in memory who know nothing of hashes, aliases and links."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import Flask
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from redis import Redis

from onboarding_bot.app import create_app
from onboarding_bot.conversation.session import REMEMBERED_FOR
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.storage import keys
from onboarding_bot.wiring import Parts, build_parts
from tests import settings as tests_settings
from tests.databases import empty_database
from tests.fakes import FakeOtpService, MovableClock
from tests.inside import forget_addresses, identities_of
from tests.talker import Talker

SILENT_FOR, WINDOW = timedelta(days=60), timedelta(hours=24)
TEMPLATE = Definition(content_sid="HX" + "a" * 32)


@dataclass(frozen=True)
class Human:
    """Somebody with a phone: each id belongs to one human and one number, and a number to several, one after the other.

    A human whose number changes is another one for WhatsApp, with another id.
    """

    name: str
    user_id: str
    number: str

    @property
    def id_address(self) -> str:
        return f"whatsapp:{self.user_id}"


HUMANS = [
    Human("Asha Devi", "IN.1", "whatsapp:+919876543210"),
    Human("Ravi Kumar", "IN.2", "whatsapp:+919876543210"),
    Human("Meera Shah", "IN.3", "whatsapp:+919876543210"),
    Human("Asha Devi", "IN.4", "whatsapp:+919812345678"),
]
ANSWERS = {"name": "sector", "sector": "pincode", "pincode": "phone"}
RIGHT = {"sector": "7", "pincode": "560001"}


def addresses(human: Human, way: str) -> tuple[str, str]:
    """The number and the id that a message brings, empty when it does not."""
    return "" if way == "id" else human.number, "" if way == "number" else human.id_address


@dataclass(eq=False)
class Person:
    """What is known of one person, however many addresses lead there."""

    user_id: str = ""
    number: str = ""
    address: str = ""
    name: str = ""
    step: str = ""
    has_stopped: bool = False
    wrote_at: datetime | None = None
    is_hidden: bool = False

    def joins(self, other: Person) -> None:
        """The other one is this one: a no of either counts, and the newer conversation goes on."""
        self.has_stopped |= other.has_stopped
        self.user_id, self.number = self.user_id or other.user_id, self.number or other.number
        if other.wrote_at and (self.wrote_at is None or other.wrote_at > self.wrote_at):
            self.name, self.step = other.name, other.step
            self.wrote_at, self.address = other.wrote_at, other.address


@dataclass
class Memory:
    """Whom each address leads to."""

    people: list[Person] = field(default_factory=list)

    def holder(self, address: str) -> Person | None:
        return next(
            (one for one in self.people if not one.is_hidden and address in (one.number, one.user_id)),
            None,
        )

    def who_writes(self, number: str, user_id: str, now: datetime) -> Person:
        holder = self.holder(number) if number else None
        known = self.holder(user_id) if user_id else None
        person = known or Person()
        if holder and user_id and holder is not known:
            if holder.user_id:
                self._passes_on(holder)
            elif holder.wrote_at and now - holder.wrote_at >= SILENT_FOR:
                holder.is_hidden = True
                person.has_stopped |= holder.has_stopped
            else:
                person.joins(holder)
                self.people.remove(holder)
        elif holder:
            person = holder
        person.number, person.user_id = number or person.number, user_id or person.user_id
        if person not in self.people:
            self.people.append(person)
        return person

    def forget(self, address: str) -> None:
        """Of an erased person every address keeps its own no, and nothing says any more that they belong together."""
        person = self.holder(address)
        addresses = [person.number, person.user_id] if person else [address]
        self.people = [one for one in self.people if one is not person]
        for address in filter(None, addresses):
            if address.startswith("whatsapp:+"):
                self.people.append(Person(number=address, has_stopped=True))
            else:
                self.people.append(Person(user_id=address, has_stopped=True))

    @staticmethod
    def _passes_on(holder: Person) -> None:
        if holder.address == holder.number:
            holder.address = holder.user_id
        holder.number = ""


class ManyPeople(RuleBasedStateMachine):
    """Humans write, go silent, and pass their numbers on, while processes come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.redis = MovableClock(), Redis(**empty_database())
        made = {"redis": self.redis, "otp_service": FakeOtpService(), "clock": self.clock.clock()}
        self.app: Flask = create_app(tests_settings.settings(), **made)  # type: ignore[arg-type]
        self.parts: Parts = build_parts(tests_settings.settings(), **made)  # type: ignore[arg-type]
        self.memory = Memory()

    def write(self, human: Human, way: str, text: str) -> Person:
        self.clock.pass_(seconds=2)
        person = self.memory.who_writes(*addresses(human, way), self.clock.moment)
        Talker(self.app, human.number, "" if way == "number" else human.user_id, hides_number=way == "id").says(text)
        person.wrote_at = self.clock.moment
        person.address = human.id_address if way == "id" else human.number
        person.step = person.step or "name"
        return person

    humans, ways = st.sampled_from(HUMANS), st.sampled_from(["number", "id", "both", "both"])

    @rule(human=humans, way=ways)
    def says_stop(self, human: Human, way: str) -> None:
        self.write(human, way, "STOP").has_stopped = True

    @rule(human=humans, way=ways)
    def says_start(self, human: Human, way: str) -> None:
        self.write(human, way, "START").has_stopped = False

    @rule(human=humans, way=ways)
    def asks_for_help(self, human: Human, way: str) -> None:
        self.write(human, way, "HELP")

    @rule(human=humans, way=ways)
    def answers_wrongly(self, human: Human, way: str) -> None:
        self.write(human, way, "0")

    @rule(human=humans, way=ways)
    def answers(self, human: Human, way: str) -> None:
        """The right answer to whatever this person is asked by now; somebody new is welcomed first."""
        step = self.asked(human, way)
        if step == "phone":
            return
        person = self.write(human, way, human.name if step in {"", "name"} else RIGHT[step])
        if step:
            person.step = ANSWERS[step]
            person.name = human.name if step == "name" else person.name

    def asked(self, human: Human, way: str) -> str:
        """What the person is asked who would write like this; nothing is remembered of the question."""
        memory, moment = deepcopy(self.memory), self.clock.moment + timedelta(seconds=2)
        return memory.who_writes(*addresses(human, way), moment).step

    @rule(human=humans, by_number=st.booleans())
    def is_erased(self, human: Human, by_number: bool) -> None:
        address = human.number if by_number else human.id_address
        self.clock.pass_(seconds=1)
        self.parts.people.service.erase(address)
        # What still leads to the erased person for a while, for copies of the last messages, has come to its end.
        for alias in self.redis.keys("*:alias:*"):
            if 0 < self.redis.pttl(alias) <= REMEMBERED_FOR / timedelta(milliseconds=1):
                self.redis.delete(alias)
        self.memory.forget(address)

    @rule(days=st.sampled_from([0, 1, 59, 60, 61]))
    def days_pass(self, days: int) -> None:
        self.clock.pass_(days=days)

    @rule()
    def the_process_starts_again(self) -> None:
        forget_addresses(self.app)

    @precondition(lambda self: self.memory.people)
    @rule()
    def a_broadcast_goes_out(self) -> None:
        parts, now = self.parts, self.clock.moment
        self.clock.pass_(seconds=1)
        broadcast, _ = parts.storage.broadcast_records.create(TEMPLATE, now, None)
        parts.storage.audiences.fix(broadcast, None, now)
        parts.storage.broadcast_records.transition(broadcast, BroadcastStatus.SENDING, [BroadcastStatus.COUNTING])
        sent = []
        for shard in range(keys.SHARDS):
            people = parts.storage.audiences.people(broadcast, shard, 0)
            parts.storage.recipients.add(broadcast, shard, people, TEMPLATE, now)
            claims = [parts.storage.recipients.claim(broadcast, person_id, TEMPLATE, now) for person_id in people]
            sent += [contact.address for contact in claims if contact]
        reachable = [one for one in self.memory.people if one.name and not one.is_hidden and not one.has_stopped]
        assert len(set(sent)) == len(sent)
        assert sorted(sent) == sorted(one.address for one in reachable if one.wrote_at and now - one.wrote_at < WINDOW)

    @invariant()
    def every_address_leads_to_its_person(self) -> None:
        for identities in (identities_of(self.app), self.parts.storage.identities):
            for address in {address for human in HUMANS for address in (human.number, human.id_address)}:
                found, person = identities.peek([address]), self.memory.holder(address)
                name = found.session.data.get("name", "") if found.session else ""
                stopped = found.contact is not None and found.contact.opt_out is not None
                assert name == (person.name if person else ""), address
                assert stopped == (person.has_stopped if person else False), address
                if person and person.wrote_at:
                    assert found.contact is not None
                    assert found.contact.address == person.address
                    assert found.session is not None
                    assert found.session.current_step == person.step

    @invariant()
    def everybody_is_counted_once(self) -> None:
        sums = self.parts.storage.store.add_up(self.clock.moment)
        live = [
            one for one in self.memory.people if one.wrote_at and self.clock.moment - one.wrote_at < timedelta(hours=24)
        ]
        assert sum(sums.sessions.values()) == len(live)


ManyPeople.TestCase.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
TestManyPeople = ManyPeople.TestCase
