"""Checks that a form holds the fields that its page has, and each of them once."""

from __future__ import annotations

from flask import request

from onboarding_bot.web.api.request_fields import refuse_unknown_and_repeated, refuse_unknown_query

# The field of a page that an earlier release made, and that is sent while this one is rolled out.
_FIELD_OF_EARLIER_PAGES = "csrf_token"
_DETAIL = "is no field of this form"


def check_form(*known: str) -> None:
    """Raises InvalidFieldError for a field that is not ``known``, or is there twice, in the form or behind its URL.

    Of two values the first would count, and nobody could say which of them was meant.
    """
    refuse_unknown_query()
    refuse_unknown_and_repeated(request.form.to_dict(flat=False), (_FIELD_OF_EARLIER_PAGES, *known), _DETAIL)
    refuse_unknown_and_repeated(request.files.to_dict(flat=False), (), _DETAIL)
