"""The bot's own errors: each has a code for the log, and says whether a retry may succeed."""

from __future__ import annotations


class BotError(Exception):
    """An error with a name.

    ``code`` is a stable, dotted name for logs and problem details; ``retryable`` says whether the same request may
    succeed a moment later.
    """

    code = "bot.error"
    retryable = False


class SettingsError(BotError):
    """The settings are not valid; ``faults`` lists all that is wrong, of files and of settings.

    ``lines`` is the same for an operator: a fault of a file begins with the file's name, one of a setting with
    ``setting`` and its name.
    """

    code = "settings.invalid"

    def __init__(self, of_settings: list[str], of_files: list[str] | None = None) -> None:
        self.faults = [*(of_files or []), *of_settings]
        self.lines = [*(of_files or []), *(f"setting {fault}" for fault in of_settings)]
        super().__init__("; ".join(self.faults))

    @property
    def report(self) -> str:
        """All lines, for an operator at a terminal."""
        return "\n".join(self.lines)


class CatalogueError(BotError):
    """A texts catalogue lacks a text or a placeholder that the bot needs."""

    code = "texts.incomplete"


class StoreUnavailableError(BotError):
    """Redis did not answer in time, or refused: nothing is stored for certain, so no reply is given."""

    code = "store.unavailable"
    retryable = True


class AuditUnavailableError(BotError):
    """The audit line of what an admin is about to do cannot be written, and so it is not done."""

    code = "audit.unavailable"
    retryable = True


class UndecryptableError(BotError):
    """A stored value was encrypted with none of the configured keys, or was altered."""

    code = "store.undecryptable"


class BusyError(BotError):
    """Other messages of the same person won each commit until this request's time was over."""

    code = "store.busy"
    retryable = True


class BadFormError(BotError):
    """A signed webhook lacks fields that every Twilio webhook has."""

    code = "webhook.bad_form"


class LoginLinkError(BotError):
    """A login link's token is forged, damaged or expired, or its sign-up is no longer stored."""

    code = "login_link.invalid"


class LoginLinkExpiredError(LoginLinkError):
    """A login link's token is genuine, and too old."""

    code = "login_link.expired"
