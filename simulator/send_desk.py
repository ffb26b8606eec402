"""Where Twilio takes a message from the bot: checks it, holds the sender to its rate, and fails on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping

from simulator.addresses import is_address, is_user_id
from simulator.background import Sleep
from simulator.content import ApprovalStatus, ContentStore, FilledTemplate, Template, fill
from simulator.faults import Faults, FaultSwitch, Switch, UserIds, Window
from simulator.messages import MessageStore, OutboundMessage
from simulator.opt_out import OptOuts
from simulator.outbox import Outbox, Outgoing
from simulator.phones import Phones
from simulator.send_rules import CallbackFault, SendFault, SendRules
from simulator.sent_log import SentLog
from simulator.settings import Settings
from simulator.twilio_errors import TwilioError
from simulator.twiml import MESSAGE_MAX_LENGTH

_OUTSIDE_WINDOW = CallbackFault("undelivered", 63016)


class ConnectionLostError(Exception):
    """The bot gets no answer: the connection ends."""


class SendDesk:
    """One for the account and its one sender."""

    def __init__(
        self,
        settings: Settings,
        messages: MessageStore,
        phones: Phones,
        contents: ContentStore,
        outbox: Outbox,
        faults: FaultSwitch,
        rules: SendRules,
        opt_outs: OptOuts,
        sent: SentLog,
        sleep: Sleep,
    ) -> None:
        self._settings = settings
        self._messages = messages
        self._phones = phones
        self._contents = contents
        self._outbox = outbox
        self._faults = faults
        self._rules = rules
        self._opt_outs = opt_outs
        self._sent = sent
        self._sleep = sleep

    def take(self, form: Mapping[str, str], waited_seconds: float = 0.0) -> OutboundMessage:
        """Accept the message, after the delay that every answer has; raises TwilioError and ConnectionLostError.

        ``waited_seconds`` is for how long it had been here when it was read.
        """
        faults = self._faults.now
        try:
            return self._take(form, faults, waited_seconds)
        finally:
            if faults.send_delay_ms:
                self._sleep(faults.send_delay_ms / 1000)

    def _take(self, form: Mapping[str, str], faults: Faults, waited_seconds: float) -> OutboundMessage:
        if not self._sent.has_room(faults.messages_per_second):
            raise TwilioError(20429, retry_after=faults.retry_after_seconds)
        address = self._recipient(form, faults)
        template = self._template(form)
        content = _content(form, template)
        callback = _callback(form)
        if faults.advanced_opt_out is Switch.ON and self._opt_outs.includes(address):
            raise TwilioError(21610)
        rule = self._rules.take(address)
        if rule.on_send and not rule.on_send.sent:
            self._fail(rule.on_send)
        # Nothing since has_room() waits for anything, so the slot is still free.
        self._sent.note(address, waited_seconds)
        failure = rule.on_callback
        if failure is None and faults.window is Window.ENFORCED and not self._may_reach(address, template):
            failure = _OUTSIDE_WINDOW
        message = self._outbox.send(Outgoing(address, content.text, callback, failure=failure, buttons=content.buttons))
        if rule.on_send:
            self._fail(rule.on_send)
        return message

    def _recipient(self, form: Mapping[str, str], faults: Faults) -> str:
        to, sender = form.get("To", ""), form.get("From", "")
        if not to:
            raise TwilioError(21604)
        if not is_address(to) or (is_user_id(to) and faults.user_ids is UserIds.REFUSED):
            raise TwilioError(21211)
        if not sender:
            raise TwilioError(21603)
        if sender != self._settings.whatsapp_number:
            raise TwilioError(63007)
        return to

    def _template(self, form: Mapping[str, str]) -> Template | None:
        sid = form.get("ContentSid")
        if not sid:
            return None
        template = self._contents.get(sid)
        if template is None:
            raise TwilioError(21655)
        return template

    def _may_reach(self, address: str, template: Template | None) -> bool:
        if self._messages.window_is_open(self._phones.holder(address).person):
            return True
        return template is not None and self._contents.approval(template).status is ApprovalStatus.APPROVED

    def _fail(self, fault: SendFault) -> None:
        if fault.code is not None:
            raise TwilioError(fault.code, status=fault.status)
        if fault.silence_seconds is not None:
            self._sleep(fault.silence_seconds)
        raise ConnectionLostError


def _content(form: Mapping[str, str], template: Template | None) -> FilledTemplate:
    if template is not None:
        return fill(template, _variables(form.get("ContentVariables") or "{}"))
    body = form.get("Body", "")
    if not body:
        raise TwilioError(21602)
    if len(body) > MESSAGE_MAX_LENGTH:
        raise TwilioError(21617)
    return FilledTemplate(body, ())


def _callback(form: Mapping[str, str]) -> str | None:
    url = form.get("StatusCallback") or None
    if url and not url.startswith(("http://", "https://")):
        raise TwilioError(21609)
    return url


def _variables(text: str) -> dict[str, str]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise TwilioError(21656)
    return values
