"""The words that work in every step, and the spellings of yes and no; a word counts only when it stands alone."""

from __future__ import annotations

from enum import StrEnum

from onboarding_bot.conversation.typed import plain, words


class Command(StrEnum):
    """What a person can ask for at any moment."""

    HELLO = "hello"
    START = "start"
    HELP = "help"
    RESTART = "restart"
    BACK = "back"
    STATUS = "status"
    SUPPORT = "support"
    PRIVACY = "privacy"
    MY_DATA = "my data"
    DELETE_MY_DATA = "delete my data"
    STOP = "stop"
    UPDATES = "updates"
    LOGIN = "login"
    RESEND = "resend"
    LANGUAGE = "language"
    ENGLISH = "english"
    HINDI = "hindi"


SPELLINGS: dict[Command, str] = {
    Command.HELLO: """
        hi, hii, hiii, hello, helo, hey, hi there, hello there, good morning, good afternoon, good evening,
        namaste, namaskar, नमस्ते, नमस्कार, हाय, हेलो, हैलो, join, menu
        """,
    Command.START: "start, शुरू, shuru, shuru karo, शुरू करो",
    Command.HELP: """
        help, help me, i need help, need help, how does this work,
        what is this, madad, madad karo, मदद, मदद करो, सहायता, info, commands
        """,
    Command.RESTART: """
        restart, start over, start again, reset, begin again, phir se, phir se shuru, dobara, dobara shuru karo,
        फिर से, फिर से शुरू, दोबारा, रीस्टार्ट
        """,
    Command.BACK: "back, go back, previous, peeche, piche, wapas, पीछे, वापस",
    Command.STATUS: "status, my status, progress, my answers, show my answers, स्थिति, स्टेटस, मेरे जवाब",
    Command.SUPPORT: """
        support, agent, human, talk to a human, talk to human, talk to someone, customer care, call me, speak to
        agent, helpline, सपोर्ट, संपर्क, sampark
        """,
    Command.PRIVACY: "privacy, privacy policy, my privacy, गोपनीयता, प्राइवेसी",
    Command.MY_DATA: """
        my data, show my data, my information, my info, what do you know about me, what do you have about me, data,
        mera data, mera data dikhao, meri jankari, meri jaankari, मेरा डेटा, मेरा डाटा, मेरा डेटा दिखाओ, मेरी जानकारी
        """,
    Command.DELETE_MY_DATA: """
        delete my data, delete data, delete, delete all, delete all my data, delete me, delete my account,
        delete account, erase my data, erase, remove my data, forget me, mera data delete karo, mera data hatao,
        mera data mitao, data delete karo, मेरा डेटा मिटाओ, मेरा डेटा मिटा दो, मेरा डेटा हटाओ, मेरा डेटा हटा दो,
        मेरा डेटा डिलीट करो, मेरा डाटा मिटाओ, मेरा डाटा डिलीट करो, डेटा मिटाओ, मेरी जानकारी मिटाओ, मिटाओ, डिलीट
        """,
    Command.STOP: """
        stop, stop all, stopall, stop it, unsubscribe, opt out, optout, cancel, quit, band karo, band kar do,
        message band karo, बंद करो, बन्द करो, बंद, बंद कर दो, संदेश बंद करो, स्टॉप, रोको
        """,
    Command.UPDATES: "updates, update, news, अपडेट, अपडेट्स, समाचार, ख़बरें",
    Command.LOGIN: "login, log in, log me in, link, new link, login link, लॉगिन, लिंक",
    Command.RESEND: """
        resend, resend otp, re send, send again, send otp again, send otp, new otp, otp, otp not received, no
        otp, otp nahi aaya, ओटीपी, ओटीपी नहीं आया, दोबारा भेजो
        """,
    Command.LANGUAGE: "language, change language, bhasha, भाषा",
    Command.ENGLISH: "english, angrezi, अंग्रेज़ी, अंग्रेजी, इंग्लिश",
    Command.HINDI: "hindi, हिंदी, हिन्दी, hindi me, hindi mein, हिंदी में",
}

YES = """
    yes, y, yes please, yes correct, yess, yep, yeah, ya, yup, ok, okay, k, sure, correct, right, confirm,
    confirmed, all correct, looks good, done, ha, haa, haan, han, hanji, haan ji, ha ji, ji, ji haan, sahi, sahi
    hai, theek hai, thik hai, हाँ, हां, हा, जी, जी हाँ, जी हां, हाँ जी, हां जी, सही, सही है, ठीक, ठीक है, यस,
    ओके
    """
NO = """
    no, n, nope, not correct, incorrect, wrong, change, edit, correct it, nahi, nahin, na, nai, galat, galat
    hai, badlo, badalna hai, नहीं, नही, ना, न, जी नहीं, गलत, ग़लत, गलत है, बदलो, बदलना है, नो
    """
CONTINUE = "continue, go on, carry on, resume, jari, jaari rakho, जारी, जारी रखें, आगे"

POLITENESS = "please, pls, plz, sir, madam, maam, mam, ji, bhai, dear, team, bot, msmebazaar, जी, सर, कृपया"

YES_SIGNS = frozenset("👍✅👌✔")
NO_SIGNS = frozenset("👎❌✖")


def _spoken(spellings: str) -> frozenset[str]:
    return frozenset(words(spelling) for spelling in spellings.split(","))


_COMMANDS = {spelling: command for command, spellings in SPELLINGS.items() for spelling in _spoken(spellings)}
_YES, _NO, _CONTINUE = _spoken(YES), _spoken(NO), _spoken(CONTINUE)
_POLITENESS = _spoken(POLITENESS)


def find_command(text: str) -> Command | None:
    """The command that ``text`` is, in any case and with any punctuation; None when it says anything more.

    Politeness around it does not count: "Hello sir" and "please help" are commands, "Start Up Services" is not.
    """
    said = words(text)
    bare = " ".join(word for word in said.split() if word not in _POLITENESS)
    return _COMMANDS.get(said) or _COMMANDS.get(bare)


def is_yes(text: str) -> bool:
    """Whether ``text`` is a yes in one of its usual spellings, or a thumb up."""
    return words(text) in _YES or _is_sign(text, YES_SIGNS)


def is_no(text: str) -> bool:
    """Whether ``text`` is a no in one of its usual spellings, or a thumb down."""
    return words(text) in _NO or _is_sign(text, NO_SIGNS)


def is_continue(text: str) -> bool:
    """Whether ``text`` asks to go on where the person stopped days ago."""
    return words(text) in _CONTINUE


def _is_sign(text: str, signs: frozenset[str]) -> bool:
    characters = plain(text)
    # A thumb may carry a skin tone (U+1F3FB to U+1F3FF) behind it.
    return bool(characters) and characters[0] in signs and all("🏻" <= tone <= "🏿" for tone in characters[1:])
