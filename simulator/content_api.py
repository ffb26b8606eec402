"""Twilio's Content API, at content.twilio.com in reality: templates, and their approval by Meta."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from simulator.content import ApprovalStatus, ContentStore, Template, TemplateDraft
from simulator.settings import Settings
from simulator.twilio_account import Page, guard
from simulator.twilio_errors import TwilioError

_NAME = re.compile(r"[a-z0-9_]{1,512}")
_CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")


def content_api(settings: Settings, contents: ContentStore) -> Blueprint:
    blueprint = Blueprint("content_api", __name__, url_prefix="/v1")
    guard(blueprint, settings)

    @blueprint.post("/Content")
    def create_template() -> ResponseReturnValue:
        return jsonify(_template_json(settings, contents.create(_draft(_body())))), 201

    @blueprint.get("/Content")
    def list_templates() -> ResponseReturnValue:
        return _listed(lambda template: _template_json(settings, template))

    @blueprint.get("/ContentAndApprovals")
    def list_templates_and_approvals() -> ResponseReturnValue:
        def entry(template: Template) -> dict[str, Any]:
            return _template_json(settings, template) | {"approval_requests": _approval_json(contents, template)}

        return _listed(entry)

    @blueprint.get("/Content/<sid>")
    def read_template(sid: str) -> ResponseReturnValue:
        return jsonify(_template_json(settings, _found(contents, sid)))

    @blueprint.put("/Content/<sid>")
    def change_template(sid: str) -> ResponseReturnValue:
        template = _found(contents, sid)
        if contents.approval(template).status not in {ApprovalStatus.UNSUBMITTED, ApprovalStatus.REJECTED}:
            raise TwilioError(20001, "A template that is approved, or waits for it, cannot be changed")
        kept = {
            "friendly_name": template.draft.friendly_name,
            "language": template.draft.language,
            "variables": template.draft.variables,
            "types": template.draft.types,
        }
        contents.update(sid, _draft(kept | _body()))
        return jsonify(_template_json(settings, _found(contents, sid)))

    @blueprint.delete("/Content/<sid>")
    def delete_template(sid: str) -> ResponseReturnValue:
        if not contents.delete(sid):
            raise TwilioError(20404)
        return "", 204

    @blueprint.post("/Content/<sid>/ApprovalRequests/whatsapp")
    def ask_for_approval(sid: str) -> ResponseReturnValue:
        template, body = _found(contents, sid), _body()
        name, category = body.get("name"), body.get("category")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise TwilioError(20001, "name must have nothing but lower-case letters, digits and underscores")
        if category not in _CATEGORIES:
            raise TwilioError(20001, f"category must be one of {', '.join(_CATEGORIES)}")
        if contents.approval(template).status not in {ApprovalStatus.UNSUBMITTED, ApprovalStatus.REJECTED}:
            raise TwilioError(20001, "This template has been submitted already")
        contents.submit(sid, name, category)
        # Whatever Meta's speed: the answer to a submission is that it has been received.
        received = {"status": ApprovalStatus.RECEIVED, "category": category, "rejection_reason": ""}
        return jsonify(_approval_json(contents, _found(contents, sid)) | received), 201

    @blueprint.get("/Content/<sid>/ApprovalRequests")
    def read_approval(sid: str) -> ResponseReturnValue:
        template = _found(contents, sid)
        return jsonify(
            account_sid=settings.account_sid,
            sid=sid,
            url=f"{settings.public_url}/v1/Content/{sid}/ApprovalRequests",
            whatsapp={"type": "whatsapp"} | _approval_json(contents, template),
        )

    def _listed(entry: Callable[[Template], dict[str, Any]]) -> ResponseReturnValue:
        page = Page.asked_for()
        found = contents.page(page.offset, page.size + 1)

        def url(path: str | None) -> str | None:
            return path and settings.public_url + path

        return jsonify(
            contents=[entry(template) for template in found[: page.size]],
            meta={
                "page": page.number,
                "page_size": page.size,
                "first_page_url": url(page.address(0)),
                "previous_page_url": url(page.previous()),
                "url": url(page.address(page.number)),
                "next_page_url": url(page.next(len(found))),
                "key": "contents",
            },
        )

    return blueprint


def _found(contents: ContentStore, sid: str) -> Template:
    template = contents.get(sid)
    if template is None:
        raise TwilioError(20404)
    return template


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise TwilioError(20001, "The body must be a JSON object")
    return body


def _draft(body: dict[str, Any]) -> TemplateDraft:
    friendly_name, language = body.get("friendly_name", ""), body.get("language", "")
    variables, types = body.get("variables", {}), body.get("types")
    if not isinstance(friendly_name, str) or not isinstance(language, str) or not language:
        raise TwilioError(20001, "language is required, and friendly_name is a text")
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise TwilioError(20001, "variables must be texts")
    if not isinstance(types, dict) or not types or not all(isinstance(content, dict) for content in types.values()):
        raise TwilioError(20001, "types must hold at least one type of content, like twilio/text")
    return TemplateDraft(friendly_name, language, variables, types)


def _template_json(settings: Settings, template: Template) -> dict[str, Any]:
    url = f"{settings.public_url}/v1/Content/{template.sid}"
    return {
        "account_sid": settings.account_sid,
        "date_created": _without_milliseconds(template.created_at),
        "date_updated": _without_milliseconds(template.updated_at),
        "friendly_name": template.draft.friendly_name,
        "language": template.draft.language,
        "links": {
            "approval_create": f"{url}/ApprovalRequests/whatsapp",
            "approval_fetch": f"{url}/ApprovalRequests",
        },
        "sid": template.sid,
        "types": template.draft.types,
        "url": url,
        "variables": template.draft.variables,
    }


def _without_milliseconds(at: str) -> str:
    return at.partition(".")[0] + "Z"


def _approval_json(contents: ContentStore, template: Template) -> dict[str, Any]:
    approval = contents.approval(template)
    return {
        "name": template.name or "",
        "category": approval.category,
        "content_type": template.content_type,
        "status": approval.status,
        "rejection_reason": approval.rejection_reason,
        "allow_category_change": True,
    }
