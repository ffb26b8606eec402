"""Button replies and rows of lists: the words on them count beside the id, and neither is ever stored as a name."""

from __future__ import annotations

import pytest

from tests.talker import Talker


def taps(talker: Talker, button_text: str, button_id: str) -> Talker:
    """Tap a button with these words and this id."""
    return talker.says(button_text, ButtonText=button_text, ButtonPayload=button_id, MessageType="button")


def chooses(talker: Talker, button_text: str, button_id: str) -> Talker:
    """Choose a row of a list."""
    return talker.says(button_text, ListTitle=button_text, ListId=button_id, MessageType="interactive")


@pytest.mark.parametrize(
    ("button_text", "button_id"),
    [
        pytest.param("STOP", "unsub_1", id="a strange id"),
        pytest.param("Stop messages", "STOP", id="our own template"),
        pytest.param("Stop reminders", "STOP", id="our own reminder"),
        pytest.param("No thanks", "STOP", id="in the id alone"),
        pytest.param("🛑", "btn_2", id="a sign"),
        pytest.param("STOP", "HELP", id="beside another command"),
    ],
)
@pytest.mark.parametrize("answers", [(), ("Asha Devi",), ("Asha Devi", "7"), ("Asha Devi", "7", "560001", "1")])
def test_a_stop_counts_in_the_words_and_in_the_id(
    talker: Talker, answers: tuple[str, ...], button_text: str, button_id: str
) -> None:
    talker.says("Hi").says_all(*answers)
    before = talker.stored.session.data
    taps(talker, button_text, button_id).hears("no reminders and no news")
    assert talker.stored.contact.opt_out is not None
    assert talker.stored.session.data == before


def test_whatsapps_own_button_ends_news_alone(talker: Talker) -> None:
    talker.says_all("Hi", "UPDATES")
    taps(talker, "Stop promotions", "3f1b9c").hears("no more news")
    assert talker.stored.contact.opt_out is None


@pytest.mark.parametrize("button_id", ["sector_tech", "row_3", "7f3a", "x", "option-9", "यह"])
def test_a_row_by_its_words(talker: Talker, button_id: str) -> None:
    talker.says_all("Hi", "Asha Devi")
    chooses(talker, "Technology", button_id).expects_data(name="Asha Devi", sector="Technology")


def test_a_row_by_its_id(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi")
    chooses(talker, "Shops and markets", "7").expects_data(name="Asha Devi", sector="Retail")


def test_what_was_seen_comes_before_an_id_that_means_another_answer(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi")
    chooses(talker, "Technology", "7").expects_data(name="Asha Devi", sector="Technology")


@pytest.mark.parametrize(
    ("button_text", "button_id"), [("YES", "confirm_yes"), ("Yes, correct", "btn"), ("Weiter", "YES"), ("हाँ", "1")]
)
def test_a_yes_by_its_words_or_its_id(talker: Talker, button_text: str, button_id: str) -> None:
    taps(talker.answers_everything(), button_text, button_id).expects_step("completed")


def test_a_no_and_what_to_change(talker: Talker) -> None:
    taps(talker.answers_everything(), "NO", "confirm_no").hears("What shall I change?")
    chooses(talker, "Pincode", "field_3").expects_step("pincode")


def test_the_own_number_by_a_button(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "7", "560001")
    taps(talker, "Use this number", "own_number").expects_step("confirmation").hears("+91 98765 43210")


@pytest.mark.parametrize(
    ("button_text", "button_id"),
    [("Get started", "start_btn"), ("Continue now", "Asha"), ("Technology", "row"), ("Learn more", "learn more")],
)
def test_no_button_is_a_name(talker: Talker, button_text: str, button_id: str) -> None:
    taps(talker.says("Hi"), button_text, button_id).expects_step("name").expects_data().hears("full name")


@pytest.mark.parametrize(
    ("button_text", "button_id", "says"),
    [
        ("Continue", "HI", "Welcome back"),
        ("Talk to us", "SUPPORT", "glad to help"),
        ("New link", "LOGIN", "when your sign-up is finished"),
    ],
)
def test_the_ids_of_our_own_templates_are_commands(talker: Talker, button_text: str, button_id: str, says: str) -> None:
    taps(talker.says_all("Hi", "Asha Devi"), button_text, button_id).expects_step("sector").hears(says)


def test_a_newcomers_first_tap_gets_the_welcome(talker: Talker) -> None:
    taps(talker, "Get started", "start_btn").hears("Welcome to MSMEBazaar").expects_step("name")


def test_erasing_by_a_button(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "DELETE MY DATA")
    taps(talker, "YES", "really_1")
    assert talker.stored.session is None
