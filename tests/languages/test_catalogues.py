"""The texts: complete, the same in every language, never longer than a WhatsApp message, and safe to show input in."""

from __future__ import annotations

import ast
import re
import shutil
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.twiml.messaging_response import MessagingResponse

from onboarding_bot.conversation.commands import SPELLINGS
from onboarding_bot.conversation.contact import NEWS, SERVICE, Consent, Contact, Draft, OptOut, OtpRequest
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.reply import Part, Url
from onboarding_bot.conversation.sectors import SECTORS
from onboarding_bot.conversation.session import OnboardingStep, RateLimitWindow, RememberedReply, UserSession
from onboarding_bot.conversation.sign_up import FIELDS
from onboarding_bot.conversation.turn import InboundMessage, MessageKind, OtpOutcome, OtpResult, Turn
from onboarding_bot.conversation.unanswered import UnansweredMessage
from onboarding_bot.conversation.validators import InvalidInput, validate_name
from onboarding_bot.errors import CatalogueError
from onboarding_bot.languages import FOLDER
from onboarding_bot.languages.catalogue import Texts, harmless
from onboarding_bot.rendering import ReplyRenderer
from onboarding_bot.setting_rules import PAGE_MAX_LENGTH
from tests.fakes import NOON
from tests.languages.text_codes import placeholders_by_code

LONGEST_MESSAGE = 1600
PACKAGE = FOLDER.parent
LANGUAGES = [path.parent.name for path in sorted(FOLDER.glob("*/messages.po"))]
STANDING = {
    "support_contact": "S" * 120,
    "draft_days": "90",
    "contact_days": "3650",
    "broadcast_days": "3650",
    "backup_days": "3650",
}
TEXTS = Texts(STANDING, "en")
PLACEHOLDERS = {code: names - STANDING.keys() for code, names in placeholders_by_code().items()}

# CLDR's plural rules for whole numbers, as gettext writes them (what Babel's babel.plural.to_gettext gives):
# en: one is i = 1 and v = 0; hi: one is i = 0 or n = 1.
CLDR_PLURALS = {"en": "nplurals=2; plural=(n != 1);", "hi": "nplurals=2; plural=(n > 1);"}


def entries(language: str) -> polib.POFile:
    return polib.pofile(str(FOLDER / language / "messages.po"))


# --- which texts there are -----------------------------------------------------------------------------------------

# Where the code puts a text's code together from parts: what the parts can be.
FAMILIES = {
    "{question.field}.accepted": {f"{field}.accepted" for field in FIELDS},
    "known.{question.field}": {f"known.{field}" for field in FIELDS},
    "media.{context.message.kind}": {f"media.{kind}" for kind in MessageKind if kind is not MessageKind.TEXT},
    "sector.{self.name.lower()}": {f"sector.{sector.name.lower()}" for sector in SECTORS},
}
# The functions whose first argument is a text's code.
NAMING_CALLS = {"Part", "TextRef", "InvalidInput", "_reply_with", "render"}


def codes_in(expression: ast.expr) -> Iterator[str]:
    """The codes that the first argument of a call can be; names and attributes carry on what was named elsewhere."""
    match expression:
        case ast.Constant(str(code)):
            yield code
        case ast.IfExp():
            yield from codes_in(expression.body)
            yield from codes_in(expression.orelse)
        case ast.JoinedStr():
            yield from FAMILIES[ast.unparse(expression)[2:-1]]


def codes_of_the_code() -> set[str]:
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in NAMING_CALLS:
                found.update(codes_in(node.args[0]))
    return found


def test_every_text_that_the_code_names_exists_and_every_text_is_named() -> None:
    assert codes_of_the_code() == set(PLACEHOLDERS)


def test_there_is_a_catalogue_for_english_and_hindi() -> None:
    assert TEXTS.languages == LANGUAGES == ["en", "hi"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_says_which_language_it_is_and_counts_as_cldr_does(language: str) -> None:
    metadata = entries(language).metadata
    assert metadata["Language"] == language
    assert metadata["Plural-Forms"] == CLDR_PLURALS[language]
    assert metadata["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_stands_in_a_catalogue_twice_or_unfinished(language: str) -> None:
    catalogue = entries(language)
    codes = [entry.msgid for entry in catalogue]
    assert len(codes) == len(set(codes))
    assert [entry.msgid for entry in catalogue if not entry.translated()] == []
    for entry in catalogue:
        forms = list(entry.msgstr_plural.values()) or [entry.msgstr]
        assert len(forms) == (2 if entry.msgid_plural else 1), entry.msgid
        for text in forms:
            assert text == text.strip(), entry.msgid
            assert not re.search("[\u200b\ufeff\t\r]|  ", text), entry.msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_formatting_signs_come_in_pairs_on_their_line(language: str) -> None:
    for entry in entries(language):
        for text in list(entry.msgstr_plural.values()) or [entry.msgstr]:
            words = re.sub(r"\{\w+\}", "", text)
            for line in words.splitlines():
                assert line.count("*") % 2 == 0, entry.msgid
                assert not set("_~`") & set(line), entry.msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_the_same_in_every_language(language: str) -> None:
    def placeholders(entry: polib.POEntry) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", entry.msgstr + "".join(entry.msgstr_plural.values())))

    english = {entry.msgid: placeholders(entry) for entry in entries("en")}
    assert {entry.msgid: placeholders(entry) for entry in entries(language)} == english


@pytest.mark.parametrize(
    ("language", "count", "fragment"),
    [
        pytest.param("en", 0, "0 digits", id="en 0"),
        pytest.param("en", 1, "1 digit;", id="en 1"),
        pytest.param("en", 5, "5 digits", id="en 5"),
        pytest.param("hi", 0, "0 अंक है;", id="hi 0"),
        pytest.param("hi", 1, "1 अंक है;", id="hi 1"),
        pytest.param("hi", 5, "5 अंक हैं;", id="hi 5"),
    ],
)
def test_one_and_many(language: str, count: int, fragment: str) -> None:
    assert fragment in TEXTS.render("pincode.count", {"typed": "x", "count": count}, language)


# --- rendering -----------------------------------------------------------------------------------------------------


def test_an_unknown_code_and_a_missing_value_are_faults() -> None:
    with pytest.raises(CatalogueError, match=r"no\.such\.text"):
        TEXTS.render("no.such.text", {})
    with pytest.raises(CatalogueError, match=r"name\.accepted.*name"):
        TEXTS.render("name.accepted", {})


@pytest.mark.parametrize("language", [None, "", "ta", "en"])
def test_a_language_without_a_catalogue_falls_back_to_the_default(language: str | None) -> None:
    assert TEXTS.render("name.ask", {}, language) == "What is your *full name*?"
    assert Texts(STANDING, "hi").render("name.ask", {}, None) == TEXTS.render("name.ask", {}, "hi")


def test_values_are_filled_in_as_they_are() -> None:
    """What a person typed is no format string, and no standing value."""
    typed = "{support_contact} {0} {typed!r} %s"
    assert typed in TEXTS.render("name.word", {"typed": typed})


# --- length --------------------------------------------------------------------------------------------------------

# As long as a name can be: eighty letters with two signs each.
NAME = "काँ" * 80
LINK = Url("https://app.msmebazaar.example.in/login?source=whatsapp&phone=%2B919876543210&token=" + "t" * 200)
LONGEST: Mapping[str, str | int] = {
    "url": "https://" + "p" * (PAGE_MAX_LENGTH - len("https://")),
    "name": NAME,
    "typed": "ट" * 40,
    "sector": "खाद्य और पेय (Food & Beverage)",
    **{f"sector_{number}": "खाद्य और पेय (Food & Beverage)" for number in range(1, 13)},
    "pincode": "560001",
    "phone": "+91 98765 43210",
    "link": LINK.url,
    "word": "LOGIN",
    "reference": "HJKM",
    "count": 1600,
    "number": 12,
    **dict.fromkeys(("by_number", "by_name"), "खाद्य और पेय (Food & Beverage)"),
    "address": "+919876543210",
    **dict.fromkeys(("at", "first", "last", "session", "draft", "contact"), "22-11-2026"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_fits_into_a_message(language: str) -> None:
    for code, placeholders in PLACEHOLDERS.items():
        for count in (0, 1, 2, 1600):
            values = {name: LONGEST[name] for name in placeholders} | {"count": count}
            text = TEXTS.render(code, values, language)
            assert 0 < len(text) <= LONGEST_MESSAGE, code
            assert "{" not in text, code


WELCOME_MAX = 900
PAGE = Url("https://" + "p" * (PAGE_MAX_LENGTH - len("https://")))


@pytest.mark.parametrize("page", [PAGE.url, None], ids=["with a page", "without one"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_welcome_is_short_whatever_the_settings_say(language: str, page: str | None) -> None:
    first = InboundMessage("SM1", "whatsapp:+919876543210", "नमस्ते" if language == "hi" else "Hi")
    turn = Engine(verify_url=page).advance(None, None, first, NOON)
    text = ReplyRenderer(TEXTS).render(turn.reply, turn.contact.language)
    assert text.endswith(TEXTS.render("name.ask", {}, language)), "in the message's language, and the question last"
    assert len(text) <= WELCOME_MAX
    who, check, notice, _ = text.split("\n\n")
    assert "MSMEBazaar" in who
    assert (page or "") in check
    assert "Twilio" in notice


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_can_be_understood_alone(language: str) -> None:
    """What is kept and for how long, how to take the yes back, how to use one's rights, whom to complain to."""
    notice = TEXTS.render("notice", {}, language)
    kept = {"en": ["name", "sector", "pincode", "mobile number", "WhatsApp address"]}
    kept["hi"] = ["नाम", "सेक्टर", "पिनकोड", "मोबाइल नंबर", "WhatsApp पता"]
    board = {"en": "Data Protection Board of India", "hi": "भारत का डेटा संरक्षण बोर्ड"}
    needed = [*kept[language], "MSMEBazaar", "Twilio", "*DELETE MY DATA*", "*STOP*", "*MY DATA*", "*PRIVACY*"]
    needed += [STANDING["support_contact"], STANDING["draft_days"], STANDING["contact_days"], board[language]]
    assert [word for word in needed if word not in notice] == []
    assert "\n" not in notice, "one block"


class Walk:
    """Every reply that the engine can give, as the bot renders it, with the longest answers there can be."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.renderer = ReplyRenderer(TEXTS)
        self.engine = Engine(verify_url=PAGE.url)
        self.replies: dict[str, str] = {}
        self.codes: set[str] = set()

    def note(self, where: str, turn: Turn) -> None:
        for part in turn.reply:
            assert part.values.keys() == PLACEHOLDERS[part.code], part.code
            self.codes.add(part.code)
        text = self.renderer.render(turn.reply, self.language)
        self.replies[where] = max(text, self.replies.get(where, ""), key=len)

    def contact(self, **changes: Any) -> Contact:
        contact = Contact("whatsapp:+919876543210", self.language, NOON, NOON, notice_version="2026-11")
        return replace(contact, **changes)

    def sessions(self) -> Iterator[UserSession]:
        answers = {"name": NAME, "sector": "Food & Beverage", "pincode": "560001", "phone": "+919876543210"}
        for step in OnboardingStep:
            session = UserSession.start(step, NOON, answers)
            session = replace(session, wrong_answers=9, voice_notes=9)
            yield session
            yield replace(session, changing=True)
            asked = RememberedReply("SM-before", NOON, (Part("erasure.ask"),), self.language)
            yield replace(session, remembered=(asked,))
            if step is OnboardingStep.CONFIRMATION:
                yield replace(session, choosing=True)
                yield replace(session, rate_limit_window=RateLimitWindow(NOON, self.engine.messages_per_minute))
            elif step is not OnboardingStep.COMPLETED:
                yield replace(session, data={})
            if step is OnboardingStep.NAME:
                yield replace(session, data={}, doubtful_name=NAME)

    def messages(self) -> Iterator[InboundMessage]:
        words = [table[0] for table in SPELLINGS.values()]
        answers = [NAME, "ट" * 1600, "1", "2", "12", "13", "560001", "560 01", "060001", "+1 415 523 8886", "12345"]
        answers += ["5876543210", "98765 43210", "YES", "NO", "ok", "A", "A" * 81, "482 911", "x" * 1600]
        answers += ["7. Technology", "560001, 560002", "98765 43210 / 98765 43211", "change the pincode"]
        answers += ["not interested", "leave me alone", "delete my data now", "why do you ask?", "aa fraud to nathi ne"]
        for text in words + answers:
            yield InboundMessage("SM", "whatsapp:+919876543210", text)
            yield InboundMessage("SM", "whatsapp:IN.1234", text)
        for kind in MessageKind:
            yield InboundMessage("SM", "whatsapp:+919876543210", "", kind)

    def take(self) -> None:
        registered = {"name": NAME, "sector": "Food & Beverage", "pincode": "560001", "phone": "+919876543210"}
        contacts = [
            self.contact(),
            self.contact(opt_out=OptOut(NOON, "SM0")),
            self.contact(news_ended=OptOut(NOON, "SM0")),
            self.contact(otp_requests=(OtpRequest("a", NOON - timedelta(seconds=1)),)),
            self.contact(otp_requests=tuple(OtpRequest(str(n), NOON - timedelta(hours=n)) for n in range(1, 6))),
            self.contact(draft=Draft({"name": NAME, "sector": "Food & Beverage"}, NOON)),
            self.contact(draft=Draft(registered, NOON)),
            self.contact(registration=registered, completed_at=NOON),
            self.contact(
                registration=registered | {"pincode": "110001"},
                completed_at=NOON,
                consents=dict.fromkeys((SERVICE, NEWS), Consent(NOON, "SM0", "2026-11")),
                opt_out=OptOut(NOON, "SM0"),
                otp_requests=(OtpRequest("a", NOON - timedelta(hours=1)),),
                draft=Draft(registered, NOON),
            ),
        ]
        for number, contact in enumerate([None, *contacts]):
            for session in (None, *(self.sessions() if contact else ())):
                for message in self.messages():
                    self.visit(number, session, contact, message)
                self.catch_up(number, session, contact)
                if session and contact:
                    for reminder in (1, 2):
                        turn = self.engine.remind(session, contact, reminder, NOON)
                        self.note(f"contact {number}, {session.current_step}, reminder {reminder}", turn)

    def catch_up(self, number: int, session: UserSession | None, contact: Contact | None) -> None:
        for word in (NAME, "STOP", "START", "UPDATES", "stop promotions"):
            unanswered = [UnansweredMessage(InboundMessage("SM-unanswered", "whatsapp:+919876543210", word), NOON)]
            turn = self.engine.answer_unanswered(session, contact, unanswered, is_answered=False, is_reachable=True)
            if turn:
                self.note(f"contact {number}, {session and session.current_step}, unanswered {word[:20]}", turn)

    def visit(self, number: int, session: UserSession | None, contact: Contact | None, message: InboundMessage) -> None:
        where = f"contact {number}, {session and session.current_step}, {message.kind} {message.text[:20]}"
        turn = self.engine.advance(session, contact, message, NOON)
        self.note(where, turn)
        if turn.effect is None:
            return
        running = self.engine.advance(turn.session, turn.contact, replace(message, sid="SM-other"), NOON)
        self.note(f"{where}, meanwhile", running)
        claimed = RememberedReply(message.sid, NOON, None, intention_id="gone", lease_until=NOON)
        self.note(
            f"{where}, left",
            self.engine.advance(replace(turn.session, remembered=(claimed,)), turn.contact, message, NOON),
        )
        for result in OtpResult:
            for wait_seconds in (1, 59, 5000):
                outcome = OtpOutcome(result, LINK, wait_seconds)
                for meanwhile in (turn.session, replace(turn.session, intention=None)):
                    resumed = self.engine.resume(meanwhile, turn.contact, turn.effect, outcome, message, NOON)
                    self.note(f"{where}, {result}", resumed)


def test_the_longest_name_is_a_name() -> None:
    assert validate_name(NAME) == NAME
    with pytest.raises(InvalidInput):
        validate_name(f"{NAME}.")


@pytest.fixture(scope="module", params=LANGUAGES)
def walk(request: pytest.FixtureRequest) -> Walk:
    walk = Walk(request.param)
    walk.take()
    return walk


def test_every_reply_fits_into_a_message(walk: Walk) -> None:
    """Rejections with the list and the people to call, the notice with a stop, PRIVACY above a summary, and all."""
    too_long = {where: len(text) for where, text in walk.replies.items() if len(text) > LONGEST_MESSAGE}
    assert too_long == {}, max(too_long.values(), default=0)
    assert len(walk.replies) > 1000


def test_every_text_is_said_somewhere(walk: Walk) -> None:
    """What no turn says is an apology, or a word within another text."""
    inner = {f"sector.{sector.name.lower()}" for sector in SECTORS} | {"word.yes", "word.login"}
    apologies = {"apology.try_again", "apology.reference"}
    assert set(PLACEHOLDERS) - walk.codes == inner | apologies | {"welcome.people"}


# --- faults in a catalogue -----------------------------------------------------------------------------------------


def edited(folder: Path, language: str, old: str, new: str) -> None:
    path = folder / language / "messages.po"
    before = path.read_text()
    assert before.count(old) == 1, old
    path.write_text(before.replace(old, new))


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "languages")
    return tmp_path / "languages"


def faults(folder: Path, default: str = "en") -> str:
    with pytest.raises(CatalogueError) as caught:
        Texts(STANDING, default, folder)
    return str(caught.value)


def test_all_faults_are_named_at_once(copies: Path) -> None:
    edited(copies, "hi", 'msgstr "धन्यवाद, *{name}*।"', 'msgstr "धन्यवाद, *{naam}*।"')
    edited(copies, "hi", 'msgid "back.first"', 'msgid "back.last"')
    edited(copies, "hi", 'msgstr "सेक्टर: *{sector}*।"', 'msgstr ""')
    said = faults(copies)
    for code in ("name.accepted", "back.first", "back.last", "sector.accepted"):
        assert code in said
    assert "hi" in said


def test_a_text_marked_as_unsure_counts_as_missing(copies: Path) -> None:
    edited(copies, "hi", 'msgid "back.first"', '#, fuzzy\nmsgid "back.first"')
    assert "back.first" in faults(copies)


def test_a_text_with_plurals_in_one_language_only(copies: Path) -> None:
    edited(copies, "hi", 'msgid_plural "pincode.count"\nmsgstr[0]', "msgstr")
    text = (copies / "hi" / "messages.po").read_text()
    (copies / "hi" / "messages.po").write_text(re.sub(r'msgstr\[1\] "“\{typed\}” में \{count\} अंक हैं; पिन.*\n', "", text))
    assert "pincode.count" in faults(copies)


def test_a_plural_form_that_is_not_there(copies: Path) -> None:
    """Without it people would read the code instead of the text."""
    text = (copies / "hi" / "messages.po").read_text()
    without = re.sub(r'msgstr\[1\] "“\{typed\}” में \{count\} अंक हैं; पिन.*\n', "", text)
    assert without != text
    (copies / "hi" / "messages.po").write_text(without)
    assert "pincode.count" in faults(copies)


def test_more_forms_than_the_language_has_are_a_fault_too(copies: Path) -> None:
    """Whoever changes the rule at a catalogue's head has to look at its texts."""
    edited(copies, "hi", "nplurals=2; plural=(n > 1);", "nplurals=1; plural=0;")
    assert "pincode.count" in faults(copies)


def test_a_default_language_without_a_catalogue(copies: Path) -> None:
    assert "ta" in faults(copies, default="ta")
    (copies / "hi" / "messages.po").unlink()
    assert "hi" in faults(copies, default="hi")
    assert Texts(STANDING, "en", copies).languages == ["en"]


# --- what people typed, shown back ---------------------------------------------------------------------------------

hostile = st.sampled_from(["<", ">", "&", '"', "]]>", "*", "_", "~", "`", "```", "\x00", "\x0b", "\r", "\n", "\ufffe",
                           "\ud800", "\u202e", "\u2066", "\u061c", "\u200e", "\u2028", "&amp;", "<!--"])  # fmt: skip
typed_texts = st.lists(st.one_of(hostile, st.text(max_size=6)), max_size=12).map("".join)


@given(typed=typed_texts)
@settings(deadline=None, max_examples=300)
def test_what_was_typed_breaks_neither_xml_nor_formatting(typed: str) -> None:
    shown = harmless(typed)
    response = MessagingResponse()
    response.message(f"You sent *{shown}*.")
    (message,) = ET.fromstring(str(response)).findall("Message")
    assert "".join(message.itertext()) == f"You sent *{shown}*."
    assert not set("*_~`") & set(shown)
    assert [character for character in shown if is_control_or_turns_direction(character)] == []
    assert harmless(shown) == shown


def test_no_character_gets_through_that_breaks_a_line_or_turns_it_around() -> None:
    """All of them are in the basic plane."""
    leaks = [
        f"U+{ord(character):04X}"
        for character in map(chr, range(0x11000))
        if any(map(is_control_or_turns_direction, harmless(f"a{character}b")))
    ]
    assert leaks == []


def is_control_or_turns_direction(character: str) -> bool:
    turns = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    marks = {"\u061c", "\u200e", "\u200f"}
    return (
        unicodedata.category(character) in {"Cc", "Cs"}
        or unicodedata.bidirectional(character) in turns
        or character in marks
        or character in {"\u2028", "\u2029"}
    )


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("Asha Devi", id="Latin"),
        pytest.param("आशा देवी", id="Devanagari"),
        pytest.param("क्\u200cषमा ശ്രീ\u200d", id="joiners"),
        pytest.param("محمد علی", id="Urdu"),
        pytest.param("王小明", id="Chinese"),
        pytest.param("👩🏽‍🌾 🙏", id="emoji"),
        pytest.param("O'Brien-Smith & <Co>", id="signs of XML"),
        pytest.param("“quoted” – 50 % … €", id="typography"),
    ],
)
def test_ordinary_text_is_shown_as_it_is(typed: str) -> None:
    assert harmless(typed) == typed


def test_formatting_signs_become_their_look_alikes() -> None:
    assert harmless("*a* _b_ ~c~ `d`") == "∗a∗ ˍbˍ ∼c∼ ˋdˋ"
    assert harmless(" a\nb\tc\r\n") == "a b c"
