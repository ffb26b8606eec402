"""From codes to words: what is put together, what is made harmless, and what stays letter for letter."""

from __future__ import annotations

import pytest

from onboarding_bot.conversation.reply import Part, TextRef, Url
from onboarding_bot.errors import CatalogueError
from onboarding_bot.languages.catalogue import Texts
from onboarding_bot.rendering import ReplyRenderer

STANDING = {"support_contact": "+91 80 5550 0100", "draft_days": "7", "contact_days": "180"}


@pytest.fixture
def texts() -> Texts:
    return Texts(STANDING, "en")


@pytest.fixture
def renderer(texts: Texts) -> ReplyRenderer:
    return ReplyRenderer(texts)


def test_parts_are_set_apart_by_an_empty_line(renderer: ReplyRenderer, texts: Texts) -> None:
    reply = (Part("apology.try_again"), Part("draft.continued"))
    expected = f"{texts.render('apology.try_again', {})}\n\n{texts.render('draft.continued', {})}"
    assert renderer.render(reply, "en") == expected
    assert renderer.render((), "en") == ""


@pytest.mark.parametrize(
    ("language", "spoken"), [("hi", "hi"), ("en", "en"), (None, "en"), pytest.param("xx", "en", id="unknown")]
)
def test_everybody_is_answered_in_their_language(
    renderer: ReplyRenderer, texts: Texts, language: str | None, spoken: str
) -> None:
    assert renderer.render((Part("draft.continued"),), language) == texts.render("draft.continued", {}, spoken)


def test_what_a_person_typed_loses_its_formatting(renderer: ReplyRenderer) -> None:
    said = renderer.render((Part("apology.reference", {"reference": "*A* _B_ ~C~ `D`"}),), "en")
    for mark in ("*A*", "_B_", "~C~", "`D`"):
        assert mark not in said
    assert "A" in said


def test_a_link_stays_letter_for_letter(renderer: ReplyRenderer) -> None:
    url = "https://app.example.in/login?source=whatsapp&token=a_b_c*d~e`f"
    assert url in renderer.render((Part("apology.reference", {"reference": Url(url)}),), "en")


@pytest.mark.parametrize("language", ["en", "hi"])
def test_a_value_can_be_a_text_of_its_own(renderer: ReplyRenderer, texts: Texts, language: str) -> None:
    part = Part("apology.reference", {"reference": TextRef("draft.continued")})
    assert texts.render("draft.continued", {}, language) in renderer.render((part,), language)


def test_a_number_stays_a_number(renderer: ReplyRenderer) -> None:
    assert "42" in renderer.render((Part("apology.reference", {"reference": 42}),), "en")


@pytest.mark.parametrize("part", [Part("no.such.text"), Part("apology.reference")])
def test_what_cannot_be_put_into_words_is_an_error(renderer: ReplyRenderer, part: Part) -> None:
    with pytest.raises(CatalogueError):
        renderer.render((part,), "en")
