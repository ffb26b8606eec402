"""The errors that the bot raises on purpose; each says itself how it is to be treated."""

from __future__ import annotations


class BotError(Exception):
    """A failure with a name.

    ``code`` is a stable, dotted word for logs and problem details; ``retryable`` tells whether the same request
    may succeed a moment later; ``loggable`` whether an operator should see it.
    """

    code = "bot.error"
    retryable = False
    loggable = True


class SettingsError(BotError):
    """The environment does not describe a bot that may run; ``faults`` lists everything that is wrong with it.

    ``lines`` is the same for people: faults of a setting begin with its name, those of a file with the file's.
    """

    code = "settings.invalid"

    def __init__(self, of_settings: list[str], of_files: list[str] | None = None) -> None:
        self.faults = [*(of_files or []), *of_settings]
        self.lines = [*(of_files or []), *(f"setting {fault}" for fault in of_settings)]
        super().__init__("; ".join(self.faults))


class CatalogueError(BotError):
    """A texts catalogue lacks a text or a placeholder that the bot needs."""

    code = "texts.incomplete"


class StoreUnavailableError(BotError):
    """Redis did not answer in time, or refused: nothing can be promised, so nothing is answered."""

    code = "store.unavailable"
    retryable = True


class AuditUnavailableError(BotError):
    """The line that says who is about to do what cannot be written, and without it the deed is not done."""

    code = "audit.unavailable"
    retryable = True


class UndecryptableError(BotError):
    """A stored value was not written with any of the keys at hand, or was altered."""

    code = "store.undecryptable"


class BusyError(BotError):
    """The person's other messages kept winning until this request's time was over."""

    code = "store.busy"
    retryable = True


class BadFormError(BotError):
    """A webhook carries a good signature, but not the fields that every Twilio webhook has."""

    code = "webhook.bad_form"


class LoginLinkError(BotError):
    """A login link's token is forged, damaged, expired or no longer stands for any answers."""

    code = "login_link.invalid"


class LoginLinkExpiredError(LoginLinkError):
    """A login link that was good once."""

    code = "login_link.expired"
    loggable = False
