"""Twilio's REST API for messages, as far as the bot uses it: send, read back, list and delete; and the account."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from simulator.arrival import waited_seconds
from simulator.clock import iso, rfc2822
from simulator.messages import API_VERSION, EARLIEST, LATEST, ListedMessage, Media, MessageFilter, MessageStore
from simulator.send_desk import SendDesk
from simulator.settings import Settings
from simulator.twilio_account import Page, guard
from simulator.twilio_errors import TwilioError, sentence_of


def twilio_api(settings: Settings, messages: MessageStore, desk: SendDesk) -> Blueprint:
    blueprint = Blueprint("twilio_api", __name__, url_prefix=f"/{API_VERSION}/Accounts")
    guard(blueprint, settings)

    @blueprint.post("/<account>/Messages.json")
    def create_message(account: str) -> ResponseReturnValue:
        accepted = ListedMessage(desk.take(request.form, waited_seconds(request.environ)), inbound=False, num_media=0)
        return jsonify(_message_json(settings, accepted)), 201

    @blueprint.get("/<account>/Messages.json")
    def list_messages(account: str) -> ResponseReturnValue:
        page = Page.asked_for()
        found = messages.page(_filter(settings), page.offset, page.size + 1)
        shown = [_message_json(settings, message) for message in found[: page.size]]
        return jsonify(
            messages=shown,
            page=page.number,
            page_size=page.size,
            start=page.offset,
            end=page.offset + max(len(shown) - 1, 0),
            uri=page.address(page.number),
            first_page_uri=page.address(0),
            next_page_uri=page.next(len(found)),
            previous_page_uri=page.previous(),
        )

    @blueprint.get("/<account>/Messages/<sid>.json")
    def read_message(account: str, sid: str) -> ResponseReturnValue:
        message = messages.find(sid)
        if message is None:
            raise TwilioError(20404)
        return jsonify(_message_json(settings, message))

    @blueprint.delete("/<account>/Messages/<sid>.json")
    def delete_message(account: str, sid: str) -> ResponseReturnValue:
        known = messages.find(sid)
        if known and known.message.status == "queued":
            raise TwilioError(20009)
        if not messages.delete(sid):
            raise TwilioError(20404)
        return "", 204

    @blueprint.get("/<account>/Messages/<sid>/Media.json")
    def list_media(account: str, sid: str) -> ResponseReturnValue:
        page = Page.asked_for()
        found = [_media_json(settings, medium) for medium in messages.media_of(sid)]
        return jsonify(
            media_list=found,
            page=0,
            page_size=page.size,
            start=0,
            end=max(len(found) - 1, 0),
            uri=page.address(0),
            first_page_uri=page.address(0),
            next_page_uri=None,
            previous_page_uri=None,
        )

    @blueprint.delete("/<account>/Messages/<sid>/Media/<media>.json")
    def delete_media(account: str, sid: str, media: str) -> ResponseReturnValue:
        if media not in {medium.sid for medium in messages.media_of(sid)}:
            raise TwilioError(20404)
        messages.delete_media(media)
        return "", 204

    @blueprint.get("/<account>.json")
    def read_account(account: str) -> ResponseReturnValue:
        return jsonify(
            sid=account,
            owner_account_sid=account,
            friendly_name="MSMEBazaar simulator",
            status="active",
            type="Trial",
            uri=f"/{API_VERSION}/Accounts/{account}.json",
        )

    return blueprint


def _filter(settings: Settings) -> MessageFilter:
    """``DateSent`` is a day, ``DateSent>`` and ``DateSent<`` the first and the last day or moment of several."""
    given, own = request.args, settings.whatsapp_number
    to, sender = given.get("To"), given.get("From")
    since, until = EARLIEST, LATEST
    if exactly := given.get("DateSent"):
        since, until = _moment(exactly), _moment(exactly, ends=True)
    if after := given.get("DateSent>"):
        since = _moment(after)
    if before := given.get("DateSent<"):
        until = _moment(before, ends=True)
    people = {address for address in (to, sender) if address and address != own}
    if len(people) > 1:
        # From one person to another: nothing passes here.
        return MessageFilter(until="")
    inbound = None
    if to or sender:
        inbound = to == own if to else sender != own
    return MessageFilter(next(iter(people), None), inbound, since, until)


def _moment(text: str, *, ends: bool = False) -> str:
    """The start of a day or moment in GMT, or with ``ends`` the first moment behind it."""
    try:
        moment = datetime.fromisoformat(text if "T" in text else f"{date.fromisoformat(text)}T00:00:00+00:00")
    except ValueError:
        raise TwilioError(20001, "DateSent must look like 2026-11-22 or 2026-11-22T10:00:00Z") from None
    if ends:
        moment += timedelta(milliseconds=1) if "T" in text else timedelta(days=1)
    return iso(moment)


def _message_json(settings: Settings, listed: ListedMessage) -> dict[str, Any]:
    message = listed.message
    uri = f"/{API_VERSION}/Accounts/{settings.account_sid}/Messages/{message.sid}"
    created, updated = (rfc2822(datetime.fromisoformat(at)) for at in (message.created_at, message.updated_at))
    own, address = settings.whatsapp_number, message.address
    return {
        "account_sid": settings.account_sid,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": created,
        "date_sent": None if message.status == "queued" else updated,
        "date_updated": updated,
        "direction": _direction(listed),
        "error_code": message.error_code,
        "error_message": None if message.error_code is None else sentence_of(message.error_code),
        "from": address if listed.inbound else own,
        "messaging_service_sid": None,
        "num_media": str(listed.num_media),
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": own if listed.inbound else address,
        "uri": f"{uri}.json",
    }


def _direction(listed: ListedMessage) -> str:
    if listed.inbound:
        return "inbound"
    return "outbound-reply" if listed.message.is_reply else "outbound-api"


def _media_json(settings: Settings, medium: Media) -> dict[str, Any]:
    created = rfc2822(datetime.fromisoformat(medium.message.created_at))
    parent = medium.message.sid
    return {
        "account_sid": settings.account_sid,
        "content_type": medium.content_type,
        "date_created": created,
        "date_updated": created,
        "parent_sid": parent,
        "sid": medium.sid,
        "uri": f"/{API_VERSION}/Accounts/{settings.account_sid}/Messages/{parent}/Media/{medium.sid}.json",
    }
