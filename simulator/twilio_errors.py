"""Twilio's errors: their codes, sentences and JSON, for answers of its REST API and for status callbacks."""

from __future__ import annotations

from flask import Response, jsonify

# The sentence of each code that the simulator can answer or report by itself or be told to.
SENTENCES = {
    20001: "Invalid parameter",
    20003: "Authenticate",
    20009: "Cannot delete this resource before it is complete",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    21211: "The 'To' number is not a valid WhatsApp address",
    21602: "Message body is required",
    21603: "A 'From' phone number is required",
    21604: "A 'To' phone number is required",
    21609: "The StatusCallback URL is not valid",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21655: "The ContentSid is invalid",
    21656: "The ContentVariables parameter is invalid",
    63003: "Channel could not find the To address",
    63007: "Twilio could not find a Channel with the specified From address",
    63010: "Channels - Twilio internal error",
    63012: "Channel provider returned an internal service error",
    63013: "This message send failed because it violates the channel provider's policy",
    63014: "This message failed to be delivered because it was blocked by a user action",
    63015: "Channel Sandbox can only send messages to phone numbers that have joined the Sandbox",
    63016: "Failed to send freeform message because you are outside the allowed window",
    63017: "This message was not sent because the rate limit of the message scheduler was exceeded",
    63018: "Rate limit exceeded for channel",
    63019: "Media failed to download",
    63020: "Twilio encountered a business eligibility issue with the channel",
    63021: "Channel invalid content error",
    63024: "Invalid message recipient",
    63027: "Template does not exist for a language and locale",
    63028: "Number of parameters provided does not match the expected number of parameters",
    63032: "The recipient cannot receive this message because of a limitation of the channel",
    63038: "Account exceeded the daily messages limit",
    63041: "Template is paused because of low quality",
    63049: "Meta chose not to deliver this marketing message",
    63051: "The sender is locked",
}
# Everything else that Twilio refuses is a 400.
_STATUSES = {20003: 401, 20009: 409, 20404: 404, 20429: 429, 20500: 500}


class TwilioError(Exception):
    """What Twilio answers instead of doing what it was asked for."""

    def __init__(
        self, code: int, sentence: str = "", *, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(sentence or sentence_of(code))
        self.code = code
        self.status = status or status_of(code)
        self.retry_after = retry_after

    def answer(self) -> Response:
        answer = jsonify(code=self.code, message=str(self), more_info=more_info(self.code), status=self.status)
        answer.status_code = self.status
        if self.status == 401:
            answer.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        if self.retry_after is not None:
            answer.headers["Retry-After"] = str(self.retry_after)
        return answer


def sentence_of(code: int) -> str:
    return SENTENCES.get(code, f"Twilio's error {code}")


def status_of(code: int) -> int:
    """The HTTP status that goes with an error code."""
    return _STATUSES.get(code, 400)


def more_info(code: int) -> str:
    return f"https://www.twilio.com/docs/errors/{code}"
