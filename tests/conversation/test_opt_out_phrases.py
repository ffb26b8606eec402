"""A STOP counts in whatever words it comes; news end without anything else; and no answer is mistaken for either."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.conversation.commands import Command, find_command
from onboarding_bot.conversation.validators import InvalidInput, validate_name
from onboarding_bot.languages.lexicon import spellings

TWILIOS_OWN = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]
STOPS = {
    "with thanks": [
        "stop thanks",
        "thank you stop",
        "ok stop",
        "stop ok",
        "stop 🙏",
        "END please",
        "please end this",
        "quit please",
        "hi stop",
    ],
    "said twice": ["stop stop", "STOP STOP STOP", "stopstop", "end end", "stop. stop. stop.", "stop/unsubscribe"],
    "drawn out": ["STOPP", "stoppp", "STOOOOP", "sstop", "stop!!!", "stop?", "stop…", "quittt"],
    "decorated": [
        "*STOP*",
        "_stop_",
        "~stop~",
        "`stop`",
        "“STOP”",
        '"stop"',
        "(stop)",
        "[STOP]",
        "<stop>",
        "#stop",
        "- stop",
    ],
    "spelt out": ["S T O P", "S.T.O.P", "S-T-O-P", "S_T_O_P", "s t o p messages", "please S T O P", "ST OP", "sto p"],
    "in other letters": [
        "ＳＴＯＰ",
        "𝐒𝐓𝐎𝐏",
        "𝗦𝗧𝗢𝗣",
        "𝓢𝓣𝓞𝓟",
        "Ⓢⓣⓞⓟ",
        "🆂🆃🅾🅿",
        "🅢🅣🅞🅟",
        "S̶T̶O̶P̶",
        "ꜱᴛᴏᴘ",
        "ЅТОР",
        "🇸🇹🇴🇵",
        "st\u200bop",
    ],
    "as a sign": ["🛑", "⛔", "🛑🛑🛑", "🛑 STOP", "STOP🛑", "please 🛑", "🛑 messages", "⛔️"],
    "mistyped": ["stpo", "sotp", "tsop", "stp", "st0p", "unsubcribe", "unsuscribe", "unsubscirbe", "cancle", "qiut"],
    "in other forms": [
        "un-subscribe",
        "un subscribe",
        "unsubscribed",
        "opt-out",
        "opt me out",
        "unsub",
        "STOP ALL",
        "stop it",
    ],
    "with an object": [
        "stop sms",
        "stop whatsapp",
        "stop mesages",
        "Stop massages",
        "Stop reminders",
        "stop all messages",
        "stop this",
        "stop these messages",
        "stop sending",
        "stop texting me",
        "stop messaging me",
        "stop calling me",
        "stop spamming",
        "cancel subscription",
        "end subscription",
        "end messages",
        "revoke consent",
        "revoke my consent",
        "mute messages",
    ],
    "in a sentence": [
        "please stop sending messages",
        "Please stop sending me these messages sir",
        "kindly stop sending msgs",
        "I want to unsubscribe",
        "unsubscribe me please",
        "unsubscribe me from this list",
        "I told you to stop",
        "can you please stop sending messages",
        "how do I stop these messages?",
        "how to unsubscribe",
        "stop the spam messages on my number",
        "No, stop",
        "yes stop",
    ],
    "as a no to messages": [
        "don't send me any more messages",
        "don’t send me any more messages",
        "dont send msgs",
        "do not message me",
        "never message me again",
        "don't text me",
        "pls dont send sms",
        "do not contact me",
        "don't call me",
        "do not disturb",
        "no more messages",
        "no messages",
        "I don't want messages",
        "i dont want any messages",
        "I do not want to receive messages from you",
        "I do not wish to receive any messages",
        "enough messages",
        "not interested in messages",
        "remove me from your list",
        "take me off your list",
        "remove my number",
        "delete my number from your list",
        "leave me alone",
    ],
    "before or after a reason": [
        "Please stop sending me messages, I am not interested in your portal",
        "I am not interested, please stop messaging me",
        "Stop. I am not interested.",
        "stop messaging me because I have no business",
        "Hello. Who are you? Do not message me again!",
        "stop sending messages or I will complain to the police",
        "STOP or I will block you",
        "not interested, stop",
        "nahi chahiye, band karo",
    ],
    "in Hindi in Latin letters": [
        "msg mat bhejo",
        "mat bhejo",
        "sandesh band karo",
        "band karo ye sab",
        "message band kar do",
        "msg band kro",
        "message bhejna band karo",
        "mujhe message mat bhejo",
        "mujhe msg mat bhejo please",
        "aur message mat bhejo",
        "message na bhejein",
        "message mat karo",
        "message nahi chahiye",
        "msg nhi chahiye",
        "pareshan mat karo",
        "tang na karo",
        "list se hatao",
        "mera number list se hatao",
        "message roko",
        "msg rok do",
        "bas karo",
        "stop karo",
        "stop kar do",
        "unsubscribe karo",
        "please message bandh karo bhai",
    ],
    "in Hindi": [
        "मैसेज बंद करो",
        "मुझे मैसेज मत भेजो",
        "मैसेज मत भेजो",
        "संदेश न भेजें",
        "कृपया संदेश न भेजें",
        "संदेश मत भेजिए",
        "मैसेज भेजना बंद करो",
        "मुझे मैसेज नहीं चाहिए",
        "कृपया मैसेज बंद करें",
        "परेशान मत करो",
        "बन्द करो",
        "ये सब बंद करो",
        "स्टॉप प्लीज",
        "अनसब्सक्राइब",
        "मैसेज रोको",
        "लिस्ट से हटाओ",
        "stop भाई",
        "मैसेज stop करो",
    ],
}
ENDS_OF_NEWS = {
    "as WhatsApp's own button says": ["Stop promotions", "stop updates", "STOP PROMOTIONS!!", "*Stop promotions*"],
    "in English": [
        "stop news",
        "stop offers",
        "stop marketing",
        "stop ads",
        "stop promotional messages",
        "stop all promotions",
        "no more offers",
        "no offers",
        "no promotions please",
        "unsubscribe from news",
        "don't send offers",
        "please stop sending me offers",
        "I don't want offers",
        "not interested in promotions",
        "opt out of marketing",
        "cancel offers",
        "stop promtions",
        "stop news and updates",
        "Stop offers & promotions",
    ],
    "in Hindi": [
        "offer band karo",
        "offers mat bhejo",
        "news band karo",
        "vigyapan band karo",
        "mujhe offers nahi chahiye",
        "प्रमोशन बंद करो",
        "ऑफर मत भेजो",
        "विज्ञापन बंद करो",
        "ऑफर नहीं चाहिए",
        "समाचार बंद करो",
    ],
}
NO_STOPS = {
    "names and businesses": [
        "Bus stop stationery",
        "non-stop travels",
        "Non stop",
        "Stop N Shop",
        "Stop & Shop",
        "Stop and Go",
        "Stop by",
        "Pit Stop",
        "Last Stop Dhaba",
        "doorstop",
        "West End",
        "Opp. Church, Bus Stop",
        "cancel my order",
        "Endla Rao",
        "End to end logistics",
        "The End",
        "Quit India Traders",
        "Cancel stamp works",
        "full stop printing",
        "Full Stop",
        "One stop shop",
        "One Stop Solution",
        "the stop",
        "The Bus Stop",
        "Truck stop dhaba",
        "Stopwatch repair",
        "Mat Bhejo Singh",
        "Band Baja",
        "Bandhu Kumar",
        "Stephen",
        "Noor",
        "Om",
        "Mana Patil",
        "Hari Om",
        "S K N Iyer",
        "Message service",
        "SMS marketing",
        "Block printing",
        "I make software to stop spam",
        "12 MG Road, Opp. Bus Stop",
        "Cancer hospital",
        "Quilt",
        "Shop",
        "Stock",
        "Spot",
        "Step",
    ],
    "the opposite": [
        "don't stop",
        "do not stop messages",
        "dont stop sending messages",
        "never stop",
        "do not unsubscribe me",
        "I don't want to stop",
        "stop mat karo",
        "band mat karo",
        "message band mat karo",
        "subscribe",
        "resubscribe",
        "I want messages",
        "send messages",
    ],
    "something else": [
        "call me",
        "no otp",
        "otp not received",
        "do not send otp",
        "no problem",
        "never mind",
        "I don't know",
        "don't worry",
        "is it free?",
        "nahi",
        "mat",
        "nahi chahiye",
        "मुझे नहीं चाहिए",
        "Not interested",
        "dukan band hai",
        "message",
        "sms",
        "whatsapp",
        "9876543210",
        "560001",
        "7",
        "Technology",
        "Asha Devi",
        "1 or 2",
        "",
    ],
}


def named(tables: dict[str, list[str]]) -> list[object]:
    return [pytest.param(text, id=f"{kind}: {text or 'nothing'}") for kind, texts in tables.items() for text in texts]


@pytest.mark.parametrize("word", TWILIOS_OWN)
def test_twilios_own_words_are_stops(word: str) -> None:
    for typed in (word, word.lower(), word.title(), f" {word}.", f"{word} please", f"{word} thanks", f"*{word}*"):
        assert find_command(typed) is Command.STOP, typed


@pytest.mark.parametrize("word", ["START", "UNSTOP", "unstop please"])
def test_twilios_own_words_switch_messages_on(word: str) -> None:
    assert find_command(word) is Command.START


@pytest.mark.parametrize(("word", "command"), [("YES", None), ("INFO", Command.HELP), ("HELP", Command.HELP)])
def test_twilios_other_words_keep_their_meaning_here(word: str, command: Command | None) -> None:
    assert find_command(word) is command


@pytest.mark.parametrize("text", named(STOPS))
def test_a_stop_however_it_is_said(text: str) -> None:
    for typed in (text, text.upper(), f" {text} ", f"{text}!"):
        assert find_command(typed) is Command.STOP, typed


@pytest.mark.parametrize("text", named(ENDS_OF_NEWS))
def test_a_no_to_news_ends_news_alone(text: str) -> None:
    assert find_command(text) is Command.STOP_UPDATES


@pytest.mark.parametrize(
    "text", ["stop messages and offers", "stop all messages and promotions", "stop, and no more offers"]
)
def test_a_no_to_news_and_to_more_is_a_stop(text: str) -> None:
    assert find_command(text) is Command.STOP


@pytest.mark.parametrize("text", named(NO_STOPS))
def test_what_is_no_stop(text: str) -> None:
    assert find_command(text) not in {Command.STOP, Command.STOP_UPDATES}


@given(place=st.integers(0, 3), verb=st.sampled_from(TWILIOS_OWN), data=st.data())
@settings(deadline=None, max_examples=100)
def test_neighbouring_letters_may_change_places(place: int, verb: str, data: st.DataObject) -> None:
    if len(verb) < 4:
        return
    swap = min(place, len(verb) - 2)
    typed = f"{verb[:swap]}{verb[swap + 1]}{verb[swap]}{verb[swap + 2 :]}"
    polite = data.draw(st.sampled_from(["", "please ", "ok "]))
    assert find_command(f"{polite}{typed}") is Command.STOP


words_of_stops = st.lists(
    st.sampled_from(
        [spelling for table in ("verbs", "negations", "objects", "fillers") for spelling in spellings("stop", table)]
    ),
    max_size=8,
)


@given(said=words_of_stops, more=st.sampled_from(["Traders", "dhaba", "ट्रेडर्स", "stationery"]))
@settings(deadline=None, max_examples=200)
def test_one_word_that_no_table_knows_makes_it_something_else(said: list[str], more: str) -> None:
    assert find_command(" ".join([*said, more])) not in {Command.STOP, Command.STOP_UPDATES}


@given(text=st.text(max_size=200))
@settings(deadline=None, max_examples=200)
def test_any_text_is_read(text: str) -> None:
    command = find_command(text)
    assert command is None or isinstance(command, Command)


@pytest.mark.parametrize("text", ["Endla Rao", "Noor", "Hari Om", "Mana Patil", "Om", "Naina Devi"])
def test_names_stay_names(text: str) -> None:
    try:
        name = validate_name(text)
    except InvalidInput as fault:
        name = fault.code
    assert name == text
