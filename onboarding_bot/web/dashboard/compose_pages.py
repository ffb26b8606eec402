"""The pages on which an admin writes a broadcast: the form, its preview, the count of recipients, the confirmation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from onboarding_bot.admin_keys import Role
from onboarding_bot.broadcasts.audience import Audience, DryRun
from onboarding_bot.broadcasts.service import BroadcastService, OtherDefinitionError
from onboarding_bot.conversation.sectors import SECTORS
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.fields import InvalidFieldError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.outbound.broadcast_definition import MESSAGE_MAX, Definition
from onboarding_bot.services.twilio_content_api import Content, ContentApiError
from onboarding_bot.web.api.audit import audit_detail, require_audit_line
from onboarding_bot.web.dashboard.access import Access
from onboarding_bot.web.dashboard.compose_form import CONFIRMED_FIELD, KEY_FIELD, TYPED, ComposeForm, check_filled_in
from onboarding_bot.web.dashboard.forms import check_form


@dataclass(frozen=True, slots=True)
class Checked:
    """The definition of a form without faults, and the recipients that it has now."""

    definition: Definition
    counted: DryRun


def add_compose_pages(
    routes: Blueprint,
    access: Access,
    service: BroadcastService,
    audience: Audience,
    approved_templates: Callable[[], Sequence[Content]],
    languages: list[str],
) -> None:
    """``/dashboard/broadcasts/new``, ``…/preview``, ``…/confirm`` and ``…/send``, for keys with the role send."""

    def templates_for(form: ComposeForm) -> Sequence[Content]:
        """The approved templates for a form that sends one; none while Twilio does not answer."""
        if not form.is_template:
            return ()
        try:
            return approved_templates()
        except ContentApiError as error:
            logger().warning("templates_unknown", **describe(error))
            return ()

    def show(form: ComposeForm, checked: Checked | None = None) -> ResponseReturnValue:
        page = render_template(
            "dashboard/compose.html",
            form=form,
            templates=templates_for(form),
            counted=checked.counted if checked else None,
            steps=OnboardingStep,
            sectors=SECTORS,
            languages=languages,
            message_max=MESSAGE_MAX,
        )
        return page, HTTPStatus.BAD_REQUEST if form.faults else HTTPStatus.OK

    def check(form: ComposeForm) -> Checked | ComposeForm:
        """The definition with its recipients, or the form with its fault."""
        if form.faults:
            return form
        try:
            definition = form.definition(languages)
            return Checked(definition, audience.count(definition))
        except InvalidFieldError as fault:
            return form.with_fault(fault.name, fault.detail)
        except ContentApiError as error:
            logger().warning("templates_unknown", **describe(error))
            return form.with_fault("content_sid", "cannot be looked up: Twilio does not answer. Try again in a moment")

    def ask(form: ComposeForm, checked: Checked) -> str:
        """The page that asks to confirm, and names the number of recipients."""
        return render_template(
            "dashboard/confirm.html",
            form=form,
            checked=checked,
            templates=templates_for(form),
            typed=TYPED,
            confirmed_field=CONFIRMED_FIELD,
        )

    @routes.get("/broadcasts/new")
    @access.signed_in(Role.SEND)
    def compose() -> ResponseReturnValue:
        return show(ComposeForm())

    @routes.post("/broadcasts/new")
    @access.signed_in(Role.SEND)
    def count() -> ResponseReturnValue:
        form = _given()
        if request.form.get("action") == "edit":
            return show(form)
        checked = check(form)
        return show(form, checked) if isinstance(checked, Checked) else show(checked)

    @routes.post("/broadcasts/preview")
    @access.signed_in(Role.SEND)
    def preview() -> ResponseReturnValue:
        form = ComposeForm.of(request.form)
        return render_template(
            "dashboard/_preview.html", form=form, templates=templates_for(form), message_max=MESSAGE_MAX
        )

    @routes.post("/broadcasts/confirm")
    @access.signed_in(Role.SEND)
    def confirm() -> ResponseReturnValue:
        form = _given()
        checked = check(form)
        if not isinstance(checked, Checked):
            return show(checked)
        return ask(form, checked)

    @routes.post("/broadcasts/send")
    @access.signed_in(Role.SEND, audit="broadcast.create")
    def send() -> ResponseReturnValue:
        form = _given()
        if form.faults:
            return show(form)
        if form.has_lost_key:
            # A second click would be a second broadcast.
            return show(form.with_fault(KEY_FIELD, "is missing. This form has one now: count and confirm again"))
        if not service.is_known(form.idempotency_key):
            checked = check(form)
            if not isinstance(checked, Checked):
                return show(checked)
            is_confirmed = form.confirms(checked.counted.recipient_count)
            # The recipients of a scheduled one are decided when it begins.
            if not is_confirmed and (form.confirmed_count is None or not checked.definition.schedule_at):
                return ask(form, checked), HTTPStatus.CONFLICT
        try:
            definition = form.definition(languages)
            require_audit_line()
            view = service.create(definition, form.idempotency_key)
        except InvalidFieldError as fault:
            return show(form.with_fault(fault.name, fault.detail))
        except OtherDefinitionError:
            return show(
                form.with_fault(
                    "", "was sent already with other words or filters. This is a new one now: count and confirm again"
                ).renewed()
            )
        audit_detail(broadcast_id=view.record.id)
        return redirect(url_for(".broadcast", broadcast_id=view.record.id, new=1), HTTPStatus.SEE_OTHER)


def _given() -> ComposeForm:
    """The form of this request, with its fault where its fields are not those of the page."""
    form = ComposeForm.of(request.form)
    try:
        check_form(*TYPED, KEY_FIELD, CONFIRMED_FIELD, "action")
        check_filled_in(request.form)
    except InvalidFieldError as fault:
        return form.with_fault(fault.name, fault.detail)
    return form
