"""Exchanges the token of a login link for the answers of the sign-up that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.errors import LoginLinkExpiredError
from onboarding_bot.login_link import LoginLinks
from onboarding_bot.storage.identities import Identities
from onboarding_bot.turn_commit import TurnCommitter


class HandoffService:
    """What the web app asks for after a login."""

    def __init__(
        self, identities: Identities, committer: TurnCommitter, login_links: LoginLinks, now: Callable[[], datetime]
    ) -> None:
        self._identities = identities
        self._committer = committer
        self._login_links = login_links
        self._now = now

    def answers(self, token: str) -> Mapping[str, str]:
        """The answers that a login link stands for: name, sector, pincode, phone.

        Raises LoginLinkError for a bad token, LoginLinkExpiredError for one that is too old or was replaced, and
        StoreUnavailableError.
        """
        handoff = self._login_links.read(token)
        person = self._identities.resolve(handoff.person_id)
        session = person.session
        if (
            session is None
            or session.current_step is not OnboardingStep.COMPLETED
            or session.handoff_id != handoff.handoff_id
        ):
            raise LoginLinkExpiredError("a newer link, or a new sign-up, has replaced this one")
        # The web app asks with a token only after the OTP was entered: that proves whose the number is.
        self._identities.join_hidden_record(person, session.data["phone"], self._now(), self._committer.commit_joined)
        return session.data
