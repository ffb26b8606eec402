"""Every form of an answer that is taken or refused, and what no text in the world may make of the validators."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.conversation.sectors import SECTORS
from onboarding_bot.conversation.validators import (
    QUOTED_MAX,
    InvalidInput,
    indian_mobile,
    quoted,
    validate_name,
    validate_phone,
    validate_pincode,
    validate_sector,
)
from onboarding_bot.languages.catalogue import Texts
from tests.languages.text_codes import placeholders_by_code

ZWNJ, ZWJ = "\u200c", "\u200d"
VALIDATORS = {
    "name": validate_name,
    "sector": validate_sector,
    "pincode": validate_pincode,
    "phone": validate_phone,
}
TEXTS = Texts({"support_contact": "-", "draft_days": "7", "contact_days": "180"}, "en")
CODES = placeholders_by_code()

# One zero for each script that counts in tens; the digits follow it in order.
ZEROS = {
    "Devanagari": "०",
    "Bengali": "০",
    "Tamil": "௦",
    "Gujarati": "૦",
    "Gurmukhi": "੦",
    "Kannada": "೦",
    "Telugu": "౦",
    "Malayalam": "൦",
    "Odia": "୦",
    "Arabic-Indic": "٠",
    "extended Arabic-Indic": "۰",
    "full-width": "\uff10",
    "Ol Chiki": "᱐",
    "mathematical bold": "𝟎",
}


def in_script(zero: str, digits: str) -> str:
    """The same digits in the script that ``zero`` belongs to."""
    return "".join(chr(ord(zero) + int(digit)) if digit.isdigit() else digit for digit in digits)


def refusal(validate: Callable[[str], str], text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        validate(text)
    return caught.value


# --- name ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("Asha Devi", "Asha Devi", id="plain"),
        pytest.param("  Asha   Devi \n", "Asha Devi", id="trimmed and collapsed"),
        pytest.param("Asha\u00a0Devi", "Asha Devi", id="no-break space"),
        pytest.param("Asha\tDevi\nSharma", "Asha Devi Sharma", id="tabs and line breaks are spaces"),
        pytest.param("Om", "Om", id="two letters"),
        pytest.param("A" * 80, "A" * 80, id="eighty letters"),
        pytest.param("A. P. J. Abdul Kalam", "A. P. J. Abdul Kalam", id="initials"),
        pytest.param("D'Souza", "D'Souza", id="apostrophe"),
        pytest.param("D’Souza", "D'Souza", id="curly apostrophe of a phone"),
        pytest.param("Anne-Marie", "Anne-Marie", id="hyphen"),
        pytest.param("Anne\u2010Marie", "Anne-Marie", id="typographic hyphen"),
        pytest.param("José Núñez", "José Núñez", id="accents"),
        pytest.param("Jose\u0301", "José", id="accent as a character of its own"),
        pytest.param("आशा देवी", "आशा देवी", id="Devanagari"),
        pytest.param("শ্রেয়া ঘোষ", unicodedata.normalize("NFC", "শ্রেয়া ঘোষ"), id="Bengali"),
        pytest.param("மீனாட்சி", "மீனாட்சி", id="Tamil"),
        pytest.param("ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ", "ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ", id="Gurmukhi"),
        pytest.param("محمد علی", "محمد علی", id="Urdu"),
        pytest.param("王小明", "王小明", id="Chinese"),
        pytest.param("Владимир", "Владимир", id="Cyrillic"),
        pytest.param(f"ശ്രീ{ZWJ}ജിത്", f"ശ്രീ{ZWJ}ജിത്", id="zero width joiner"),
        pytest.param(f"क्{ZWNJ}षमा", f"क्{ZWNJ}षमा", id="zero width non-joiner"),
        pytest.param("\u202aAsha Devi\u202c", "Asha Devi", id="invisible signs around pasted text"),
        pytest.param("\ufeffAsha\u00adDevi", "AshaDevi", id="byte order mark and soft hyphen"),
        pytest.param("Haan Solo", "Haan Solo", id="a yes as part of a name"),
    ],
)
def test_names_that_are_taken(text: str, name: str) -> None:
    assert validate_name(text) == name


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("", "name.short", id="nothing"),
        pytest.param("   ", "name.short", id="spaces"),
        pytest.param("A", "name.short", id="one letter"),
        pytest.param("A.", "name.short", id="an initial"),
        pytest.param(".-'", "name.short", id="signs alone"),
        pytest.param("\u0301\u0301\u0301", "name.short", id="combining marks alone"),
        pytest.param(ZWJ * 5, "name.short", id="joiners alone"),
        pytest.param("A" * 81, "name.long", id="eighty-one letters"),
        pytest.param("A " * 81, "name.long", id="eighty-one letters apart"),
        pytest.param("आ" * 81, "name.long", id="eighty-one Devanagari letters"),
        pytest.param("12345", "name.characters", id="digits"),
        pytest.param("Asha2", "name.characters", id="a digit in it"),
        pytest.param("आशा२", "name.characters", id="a Devanagari digit in it"),
        pytest.param("Asha 🙂", "name.characters", id="emoji"),
        pytest.param("👩‍👩‍👧", "name.characters", id="emoji with joiners"),
        pytest.param("Asha & Sons", "name.characters", id="ampersand"),
        pytest.param("asha@example.in", "name.characters", id="address"),
        pytest.param("https://example.in", "name.characters", id="link"),
        pytest.param("<b>Asha</b>", "name.characters", id="markup"),
        pytest.param("*Asha*", "name.characters", id="formatting"),
        pytest.param("Asha\x00Devi", "name.characters", id="control character"),
        pytest.param("Asha_Devi", "name.characters", id="underscore"),
        pytest.param("Ⅳ Asha", "name.characters", id="roman numeral sign"),
        pytest.param("yes", "name.word", id="yes"),
        pytest.param(" Thank  You ", "name.word", id="thanks"),
        pytest.param("OK", "name.word", id="ok"),
    ],
)
def test_names_that_are_refused(text: str, code: str) -> None:
    assert refusal(validate_name, text).code == code


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A" + "\u0301\u0316\u0334" * 100 + "sha", id="one letter under a heap"),
        pytest.param("".join(letter + "\u0317\u0330\u035c" * 25 for letter in "Asha"), id="every letter under a heap"),
    ],
)
def test_zalgo_is_not_a_name(text: str) -> None:
    assert refusal(validate_name, text).code in {"name.characters", "name.long"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A" * 81, id="letters"),
        pytest.param("आशा" + "\u093c" * 300, id="signs"),
        pytest.param("Asha " + "." * 300, id="dots"),
    ],
)
def test_a_name_that_is_too_long_is_told_no_number_that_would_not_explain_it(text: str) -> None:
    """Its letters may be few, and its signs many: “it has 4 letters, and 80 is the most” would explain nothing."""
    fault = refusal(validate_name, text)
    assert fault.code in {"name.long", "name.characters"}
    assert int(str(fault.values.get("count", 81))) > 80


# --- sector --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, 13))
@pytest.mark.parametrize(
    "form",
    [
        pytest.param("{}", id="bare"),
        pytest.param("{}.", id="dot"),
        pytest.param("{})", id="parenthesis"),
        pytest.param(" {} ", id="spaces"),
        pytest.param("#{}", id="hash"),
        pytest.param("({})", id="in parentheses"),
        pytest.param("[{}]", id="in square brackets"),
        pytest.param("no {}", id="no"),
        pytest.param("No. {}", id="No."),
        pytest.param("number {}", id="number"),
        pytest.param("option no {}", id="option no"),
        pytest.param("Option-{}", id="option and a hyphen"),
        pytest.param("option{}", id="option without a space"),
        pytest.param("नंबर {}", id="number in Hindi"),
        pytest.param("{} please", id="please"),
        pytest.param("{} number", id="number behind it"),
        pytest.param("I choose {} sir", id="in a sentence"),
        pytest.param("my sector is {}", id="my sector is"),
        pytest.param("{} wala", id="in Hindi in Latin letters"),
        pytest.param("{}?", id="question mark"),
        pytest.param("{}th one", id="counted"),
    ],
)
def test_sectors_by_number(number: int, form: str) -> None:
    assert validate_sector(form.format(number)) == SECTORS[number - 1].value


@pytest.mark.parametrize("language", ["en", "hi"])
@pytest.mark.parametrize("form", ["{}. {}", "{} - {}", "{} {}", "{}) {}", "*{}* {}", "{}: {}", "{1} {0}"])
def test_a_line_of_the_bots_own_list(language: str, form: str) -> None:
    for number, sector in enumerate(SECTORS, start=1):
        name = TEXTS.render(sector.text.code, {}, language)
        assert validate_sector(form.format(number, name)) == sector.value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("1️⃣", 1, id="a keycap"),
        pytest.param("🔟", 10, id="the keycap of ten"),
        pytest.param("1️⃣2️⃣", 12, id="two keycaps"),
        pytest.param("③", 3, id="a circle"),
        pytest.param("⑫", 12, id="a circle with two digits"),
        pytest.param("❸", 3, id="a black circle"),
        pytest.param("⑶", 3, id="in its own parentheses"),
        pytest.param("3️⃣ Technology", 3, id="a keycap and the name"),
        pytest.param("three", 3, id="in words"),
        pytest.param("Third", 3, id="counted in words"),
        pytest.param("the third one", 3, id="the third one"),
        pytest.param("3rd one", 3, id="3rd one"),
        pytest.param("the first one", 1, id="the first one, which is not two numbers"),
        pytest.param("number three please", 3, id="in words with politeness"),
        pytest.param("teen", 3, id="in Hindi in Latin letters"),
        pytest.param("teen number", 3, id="number in Hindi in Latin letters"),
        pytest.param("तीन", 3, id="in Hindi"),
        pytest.param("तीसरा", 3, id="counted in Hindi"),
        pytest.param("बारह", 12, id="twelve in Hindi"),
        pytest.param("three technology", 3, id="in words and the name"),
    ],
)
def test_sector_numbers_in_other_ways(text: str, number: int) -> None:
    assert validate_sector(text) == SECTORS[number - 1].value


@pytest.mark.parametrize("text", ["7. Technology", "3 Retail", "Retail 3", "2 shops"])
def test_a_number_and_the_name_of_another_sector_are_asked_about(text: str) -> None:
    fault = refusal(validate_sector, text)
    assert fault.code == "sector.disagrees"
    assert fault.values["by_number"] != fault.values["by_name"]


@pytest.mark.parametrize(("script", "zero"), ZEROS.items())
def test_sector_numbers_in_every_script(script: str, zero: str) -> None:
    assert validate_sector(in_script(zero, "12")) == "Other"


@pytest.mark.parametrize(
    ("text", "sector"),
    [
        *(pytest.param(sector.value, sector.value, id=sector.value) for sector in SECTORS),
        *(pytest.param(sector.value.upper(), sector.value, id=f"{sector.value} in capitals") for sector in SECTORS),
        pytest.param("  food   and BEVERAGE ", "Food & Beverage", id="and for &"),
        pytest.param("Food&Beverage", "Food & Beverage", id="& without spaces"),
        pytest.param("food beverage", "Food & Beverage", id="without &"),
        pytest.param("Retail.", "Retail", id="with a dot"),
        pytest.param("Retail 🛍", "Retail", id="with an emoji"),
        pytest.param("tecnology", "Technology", id="a letter left out"),
        pytest.param("Helthcare", "Healthcare", id="a vowel left out"),
        pytest.param("resturant", "Food & Beverage", id="a mistake in another word for it"),
        pytest.param("agriculure", "Agriculture", id="a consonant left out"),
        pytest.param("manufacturng", "Manufacturing", id="a letter left out of a long word"),
        pytest.param("Manifacturing", "Manufacturing", id="a wrong letter"),
        pytest.param("edcuation", "Education", id="two letters swapped"),
        pytest.param("automotiv", "Automotive", id="the end left out"),
        pytest.param("constuction", "Construction", id="a letter of a cluster left out"),
        pytest.param("kirana", "Retail", id="Hindi in Latin letters"),
        pytest.param("कृषि", "Agriculture", id="Devanagari"),
        pytest.param("*Technology*", "Technology", id="in bold"),
        pytest.param("Technology please", "Technology", id="with please"),
        pytest.param("my sector is technology", "Technology", id="in a sentence"),
        pytest.param("खाद्य और पेय", "Food & Beverage", id="Devanagari words"),
    ],
)
def test_sectors_by_name(text: str, sector: str) -> None:
    assert validate_sector(text) == sector


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("0", "sector.number", id="zero"),
        pytest.param("13", "sector.number", id="thirteen"),
        pytest.param("99.", "sector.number", id="ninety-nine with a dot"),
        pytest.param("-1", "sector.unknown", id="minus one"),
        pytest.param("−1", "sector.unknown", id="minus one with the real minus"),
        pytest.param("+1", "sector.unknown", id="plus one"),
        pytest.param("3.5", "sector.unknown", id="a fraction"),
        pytest.param("3,5", "sector.unknown", id="a fraction with a comma"),
        pytest.param("½", "sector.unknown", id="a half"),
        pytest.param("1e1", "sector.unknown", id="an exponent"),
        pytest.param("0x7", "sector.unknown", id="hexadecimal"),
        pytest.param("1 2", "sector.unknown", id="two numbers"),
        pytest.param("7 8", "sector.unknown", id="two choices"),
        pytest.param("007", "sector.unknown", id="three digits"),
        pytest.param("1" * 500, "sector.unknown", id="many digits"),
        pytest.param("", "sector.unknown", id="nothing"),
        pytest.param("no", "sector.unknown", id="no is not technology"),
        pytest.param("cat", "sector.unknown", id="cat is not catering"),
        pytest.param("banana", "sector.unknown", id="another word"),
        pytest.param("🙂", "sector.unknown", id="emoji"),
        pytest.param("Retail and Education", "sector.unknown", id="two sectors"),
        pytest.param("1 or 2", "sector.unknown", id="one number or another"),
        pytest.param("1-2", "sector.unknown", id="from one to another"),
        pytest.param("not 3", "sector.unknown", id="not this one"),
        pytest.param("no one", "sector.unknown", id="nobody"),
        pytest.param("One stop shop", "sector.unknown", id="a number in a name"),
        pytest.param("two wheelers", "sector.unknown", id="a number in what is sold"),
        pytest.param("3D printing", "sector.unknown", id="three dimensions"),
        pytest.param("3 Foo", "sector.unknown", id="a number and a word that is no sector"),
        pytest.param("teen clothing", "sector.unknown", id="a number of Hindi that is meant in English"),
        pytest.param("fourteen", "sector.unknown", id="a number in words that is not on the list"),
        pytest.param("&", "sector.unknown", id="an ampersand"),
    ],
)
def test_sectors_that_are_refused(text: str, code: str) -> None:
    assert refusal(validate_sector, text).code == code


# --- pincode -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("560001", id="plain"),
        pytest.param("560 001", id="in threes"),
        pytest.param("56 00 01", id="in twos"),
        pytest.param("5 6 0 0 0 1", id="one by one"),
        pytest.param("560-001", id="hyphen"),
        pytest.param("560–001", id="dash"),
        pytest.param("  560001\n", id="white space around"),
        pytest.param("560\u00a0001", id="no-break space"),
        pytest.param("560\u200b001", id="zero width space"),
        pytest.param("560001.", id="full stop"),
        *(pytest.param(in_script(zero, "560001"), id=script) for script, zero in ZEROS.items()),
        pytest.param("५६০০੦1", id="scripts mixed"),
    ],
)
def test_pincodes_that_are_taken(text: str) -> None:
    assert validate_pincode(text) == "560001"


@pytest.mark.parametrize(
    ("text", "code", "count"),
    [
        pytest.param("560 01", "pincode.count", 5, id="five digits"),
        pytest.param("5600011", "pincode.count", 7, id="seven digits"),
        pytest.param("0", "pincode.count", 1, id="one digit"),
        pytest.param("9" * 1000, "pincode.count", 1000, id="a thousand digits"),
        pytest.param("060001", "pincode.zero", None, id="first digit zero"),
        pytest.param("०६०००१", "pincode.zero", None, id="first digit zero in Devanagari"),
        pytest.param("abcdef", "pincode.characters", None, id="letters"),
        pytest.param("56000l", "pincode.characters", None, id="an l for a 1"),
        pytest.param("+560001", "pincode.characters", None, id="plus"),
        pytest.param("pin 56001", "pincode.count", 5, id="five digits behind a word"),
        pytest.param("pincode is 060001", "pincode.zero", None, id="first digit zero behind a word"),
        pytest.param("560001, 560002", "pincode.several", None, id="two pincodes"),
        pytest.param("560001 or 560002", "pincode.several", None, id="one pincode or another"),
        pytest.param("not 560001", "pincode.characters", None, id="not this one"),
        pytest.param("560001 galat hai", "pincode.characters", None, id="a wrong one"),
        pytest.param("near 560001", "pincode.characters", None, id="near one"),
        pytest.param("560001 ke paas", "pincode.characters", None, id="near one in Hindi"),
        pytest.param("my otp is 123456", "pincode.characters", None, id="an OTP"),
        pytest.param("Rs 560001", "pincode.characters", None, id="rupees"),
        pytest.param("₹560001", "pincode.characters", None, id="the rupee sign"),
        pytest.param("phone 256789", "pincode.characters", None, id="a landline"),
        pytest.param("H.No 12-3-456 Hyderabad", "pincode.characters", None, id="the number of a house"),
        pytest.param("call 9876543210", "pincode.characters", None, id="a phone number"),
        pytest.param("Surat", "pincode.characters", None, id="a place alone"),
        pytest.param("", "pincode.characters", None, id="nothing"),
        pytest.param("🙂", "pincode.characters", None, id="emoji"),
        pytest.param("፩፩፩፩፩፩", "pincode.characters", None, id="Ethiopic numbers, which do not count in tens"),
        pytest.param("❶❷❸❹❺❻", "pincode.characters", None, id="digits in black circles"),
        pytest.param("𐩀𐩁𐩂𐩃𐩀𐩁", "pincode.characters", None, id="Kharosthi numbers, which do not count in tens"),
    ],
)
def test_pincodes_that_are_refused(text: str, code: str, count: int | None) -> None:
    fault = refusal(validate_pincode, text)
    assert fault.code == code
    assert fault.values.get("count") == count


def test_a_refused_pincode_is_shown_as_it_was_typed() -> None:
    assert refusal(validate_pincode, " 560  01 ").values == {"typed": "560 01", "count": 5}


# --- phone ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("9876543210", id="ten digits"),
        pytest.param("98765 43210", id="in fives"),
        pytest.param("987-654-3210", id="with hyphens"),
        pytest.param("98765–43210", id="with a dash"),
        pytest.param("(98765) 43210", id="with parentheses"),
        pytest.param("09876543210", id="trunk zero"),
        pytest.param("919876543210", id="91"),
        pytest.param("+919876543210", id="+91"),
        pytest.param("+91 98765 43210", id="+91 and spaces"),
        pytest.param("+91-98765-43210", id="+91 and hyphens"),
        pytest.param("\uff0b919876543210", id="full-width plus"),
        pytest.param("00919876543210", id="0091"),
        pytest.param("0091 98765 43210", id="0091 and spaces"),
        pytest.param("+91 (0) 98765 43210", id="+91 and the trunk zero"),
        pytest.param("\u202a+91 98765 43210\u202c", id="copied from a contact, with direction marks"),
        pytest.param("98765\u00a043210", id="no-break space"),
        pytest.param("+91 (0) 98765-43210", id="+91, the trunk zero, a hyphen"),
        pytest.param("+91 098765 43210", id="+91 and a bare trunk zero"),
        pytest.param("(0) 98765 43210", id="the trunk zero in brackets"),
        pytest.param("091-9876543210", id="091"),
        pytest.param("98765.43210", id="a dot"),
        pytest.param("[98765] 43210", id="square brackets"),
        pytest.param("tel:+91-98765-43210", id="a URI"),
        pytest.param("TEL: 98765 43210", id="a URI as people type it"),
        pytest.param("tel:98765-43210;phone-context=+91", id="a local URI with its context"),
        pytest.param("whatsapp:+919876543210", id="an address"),
        pytest.param("Mob. 9876543210", id="behind Mob."),
        pytest.param("Mob9876543210", id="behind Mob without a space"),
        pytest.param("Ph no: +91-9876543210.", id="behind Ph no"),
        pytest.param("my no is 98765 43210", id="in a sentence"),
        pytest.param("mera number 98765 43210 hai", id="in a sentence in Hindi in Latin letters"),
        pytest.param("मेरा नंबर ९८७६५ ४३२१० है", id="in a sentence in Hindi"),
        pytest.param("call me on 98765 43210", id="call me on"),
        pytest.param("call me on (+91) 98765 43210", id="with the country in brackets"),
        pytest.param("98765-43210 (whatsapp)", id="with a word in brackets"),
        pytest.param("📞 98765 43210 thank you", id="with thanks"),
        pytest.param("9876543210, +91 98765 43210", id="twice"),
        pytest.param("nine eight seven six five four three two one zero", id="in words"),
        *(pytest.param(in_script(zero, "9876543210"), id=script) for script, zero in ZEROS.items()),
    ],
)
def test_phones_that_are_taken(text: str) -> None:
    assert validate_phone(text) == "+919876543210"


@pytest.mark.parametrize("first", "6789")
def test_mobile_numbers_start_with_six_to_nine(first: str) -> None:
    assert validate_phone(first + "1" * 9) == f"+91{first}{'1' * 9}"


def test_a_number_that_starts_with_91_is_a_number_and_no_prefix() -> None:
    assert validate_phone("9198765432") == "+919198765432"


@pytest.mark.parametrize(
    ("text", "code", "count"),
    [
        pytest.param("98765", "phone.count", 5, id="five digits"),
        pytest.param("98765432101", "phone.count", 11, id="eleven digits"),
        pytest.param("+91 98765", "phone.count", 5, id="five digits behind +91"),
        pytest.param("0091 987654321", "phone.count", 9, id="nine digits behind 0091"),
        pytest.param("1", "phone.count", 1, id="1 on its own"),
        pytest.param("033 2222 3333", "phone.count", 11, id="a landline with its zero"),
        pytest.param("5876543210", "phone.start", None, id="starts with 5"),
        pytest.param("0123456789", "phone.start", None, id="starts with 0"),
        pytest.param("+91 1234567890", "phone.start", None, id="starts with 1 behind +91"),
        pytest.param("+1 415 523 8886", "phone.foreign", None, id="American"),
        pytest.param("+977 9812345678", "phone.foreign", None, id="Nepali"),
        pytest.param("001 415 523 8886", "phone.foreign", None, id="American with 00"),
        pytest.param("my number", "phone.characters", None, id="words"),
        pytest.param("98765 4321O", "phone.characters", None, id="an O for a 0"),
        pytest.param("9876543210 / 9876543211", "phone.several", None, id="two numbers"),
        pytest.param("98765 43210 or 98765 43211", "phone.several", None, id="one number or another"),
        pytest.param("98765 43210 / 98765", "phone.several", None, id="a number and a piece of one"),
        pytest.param("my no is 98765", "phone.count", 5, id="five digits behind words"),
        pytest.param("091 98765 4321", "phone.count", 9, id="nine digits behind 091"),
        pytest.param("+91 (0) 98765 4321", "phone.count", 9, id="nine digits behind the trunk zero"),
        pytest.param("+91 98765 432101", "phone.count", 11, id="eleven digits behind +91"),
        pytest.param("my no is +1 415 523 8886", "phone.foreign", None, id="American behind words"),
        pytest.param("not 9876543210", "phone.characters", None, id="not this one"),
        pytest.param("old no 9876543210", "phone.characters", None, id="an old one"),
        pytest.param("my husband's number 98765 43210", "phone.characters", None, id="somebody else's"),
        pytest.param("9876543210;ext=5", "phone.characters", None, id="an extension"),
        pytest.param("9876543210 Asha", "phone.characters", None, id="with a name"),
        pytest.param("", "phone.characters", None, id="nothing"),
        pytest.param("+", "phone.characters", None, id="plus alone"),
        pytest.param("98+76543210", "phone.characters", None, id="plus in the middle"),
        pytest.param("📞", "phone.characters", None, id="emoji"),
        pytest.param("❾❽❼❻❺❹❸❷❶❶", "phone.characters", None, id="digits in black circles"),
    ],
)
def test_phones_that_are_refused(text: str, code: str, count: int | None) -> None:
    fault = refusal(validate_phone, text)
    assert fault.code == code
    assert fault.values.get("count") == count


ways_of_writing = st.tuples(
    st.sampled_from(
        ["", "+91", "91", "091", "0091", "0", "(0)", "+91 (0)", "+91 0", "+91-", "(+91) ", "tel:", "tel:+91"]
    ),
    st.from_regex(r"[6-9][0-9]{9}", fullmatch=True),
    st.lists(st.sampled_from(["", "", " ", "-", ".", "\u00a0", "–", ") ", " - "]), min_size=10, max_size=10),
    st.sampled_from(list(ZEROS.values())),
)


@given(written=ways_of_writing)
@settings(deadline=None, max_examples=300)
def test_a_mobile_number_in_any_way_of_writing_it_is_the_same_number(
    written: tuple[str, str, list[str], str],
) -> None:
    prefix, digits, between, zero = written
    text = prefix + "".join(f"{mark}{digit}" for mark, digit in zip(between, in_script(zero, digits), strict=True))
    assert validate_phone(text) == f"+91{digits}"


@given(
    prefix=st.sampled_from(["+91", "0091", "+91 (0)", "tel:+91"]), digits=st.from_regex(r"[6-9][0-9]*", fullmatch=True)
)
@settings(deadline=None, max_examples=100)
def test_another_number_of_digits_behind_the_country_is_never_a_number(prefix: str, digits: str) -> None:
    if len(digits) != 10:
        assert refusal(validate_phone, f"{prefix} {digits}").code == "phone.count"


@given(
    pincode=st.from_regex(r"[1-9][0-9]{5}", fullmatch=True),
    place=st.sampled_from(["Surat", "नई दिल्ली", "Sector 12,", ""]),
)
@settings(deadline=None, max_examples=100)
def test_a_pincode_beside_a_place_is_the_pincode(pincode: str, place: str) -> None:
    for text in (f"{place} {pincode}", f"{place} - {pincode[:3]} {pincode[3:]}", f"PIN {pincode}, {place}"):
        assert validate_pincode(text) == pincode


@pytest.mark.parametrize(
    ("sender", "mobile"),
    [
        pytest.param("whatsapp:+919876543210", "+919876543210", id="Indian mobile"),
        pytest.param("+919876543210", "+919876543210", id="without the channel"),
        pytest.param("whatsapp:+912222223333", None, id="Indian landline"),
        pytest.param("whatsapp:+14155238886", None, id="American"),
        pytest.param("whatsapp:+9198765432101", None, id="too long"),
        pytest.param("whatsapp:IN.1234", None, id="no number at all"),
        pytest.param("whatsapp:+91९८७६५४३२१०", None, id="an address has only ASCII digits"),
        pytest.param("whatsapp:+919876543210\n", None, id="line break behind it"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_number_behind_an_address(sender: str, mobile: str | None) -> None:
    assert indian_mobile(sender) == mobile


def test_what_is_shown_back_is_one_short_line() -> None:
    shown = quoted("a\nb" * 100)
    assert len(shown) == QUOTED_MAX
    assert "\n" not in shown
    assert shown.endswith("…")
    assert quoted("x" * QUOTED_MAX) == "x" * QUOTED_MAX


# --- any text at all -----------------------------------------------------------------------------------------------

digits_of_the_world = st.sampled_from([chr(code) for code in range(0x110000) if chr(code).isdigit()])
near_misses = st.text(st.one_of(digits_of_the_world, st.sampled_from(" +-.()'&/AaBअ\u0301\u093c\u200d\u200c\u2019")))
numbers = st.from_regex(r"\s?(\+91|0091|0|91)?[- ]?[0-9 ]{4,14}\.?", fullmatch=True)
anything = st.one_of(st.text(max_size=120), near_misses, numbers)

CLEAN = {
    "name": re.compile(r"(?s).{2,240}"),
    "sector": re.compile("|".join(re.escape(sector.value) for sector in SECTORS)),
    "pincode": re.compile(r"[1-9][0-9]{5}", re.ASCII),
    "phone": re.compile(r"\+91[6-9][0-9]{9}", re.ASCII),
}


@pytest.mark.parametrize("field", VALIDATORS)
@given(text=anything)
@settings(deadline=None, max_examples=300)
def test_any_text_becomes_a_clean_value_or_a_fault_with_a_text_of_its_own(field: str, text: str) -> None:
    validate = VALIDATORS[field]
    outcome = value_or_fault(validate, text)
    if isinstance(outcome, InvalidInput):
        assert outcome.values.keys() == CODES[outcome.code]
        assert outcome.code.startswith(f"{field}.")
        assert len(str(outcome.values.get("typed", ""))) <= QUOTED_MAX
    else:
        assert CLEAN[field].fullmatch(outcome)
        assert validate(outcome) == outcome


def value_or_fault(validate: Callable[[str], str], text: str) -> str | InvalidInput:
    try:
        return validate(text)
    except InvalidInput as fault:
        return fault


@given(text=st.text(st.characters(categories=["L", "M"]), max_size=100))
@settings(deadline=None, max_examples=200)
def test_names_hold_nothing_that_has_no_place_in_a_name(text: str) -> None:
    try:
        name = validate_name(text)
    except InvalidInput:
        return
    letters = [character for character in name if unicodedata.category(character)[0] == "L"]
    assert 2 <= len(letters) <= 80
    assert name == name.strip()
