"""Recorded conversations, replayed word for word; the chat page saves new ones in the same format.

``UPDATE_TRANSCRIPTS=1`` writes the replies as they are now; read the difference before you commit it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import fakeredis
import pytest

from onboarding_bot.app import create_app
from onboarding_bot.conversation.turn import OtpResult
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import settings
from tests.talker import Talker

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "transcripts").glob("*.json"))
LOGIN_LINK = re.compile(r"http\S+/login\?source=whatsapp&token=[^\s&]+")


def said(reply: str) -> str:
    """A reply without what differs from run to run."""
    return LOGIN_LINK.sub("LOGIN-LINK", reply)


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 5


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_recorded_conversation_goes_as_it_went(path: Path) -> None:
    transcript = json.loads(path.read_text())
    clock, otp_service = MovableClock(), FakeOtpService()
    app = create_app(settings(), redis=fakeredis.FakeRedis(), otp_service=otp_service, clock=clock.clock())
    talker = Talker(app, transcript["person"])
    heard = []
    for turn in transcript["turns"]:
        clock.pass_(seconds=turn.get("after_seconds", 20))
        otp_service.result = OtpResult(turn.get("auth_api", OtpResult.SENT))
        inbound = turn["inbound"]
        if inbound["type"] == "text":
            talker.says(inbound["text"])
        else:
            talker.sends(inbound["type"])
        heard.append(turn | {"reply": said(talker.reply)})
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        path.write_text(json.dumps(transcript | {"turns": heard}, ensure_ascii=False, indent=2) + "\n")
    assert [said(turn["reply"]) for turn in transcript["turns"]] == [turn["reply"] for turn in heard]
