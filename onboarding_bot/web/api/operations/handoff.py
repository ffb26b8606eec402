"""The operation of the web app: the token of a login link becomes the answers of the sign-up."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypedDict

from msgspec import Meta, Struct

from onboarding_bot.fields import Text
from onboarding_bot.web.api.operations import problem_kinds
from onboarding_bot.web.api.operations.operation import Answer, Operation, WebAppKey

TAG = "web app"


class HandoffRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The link's token. It stands in the body, so that no access log keeps it."""

    token: Annotated[Text, Meta(description="The token of the login link.", examples=["eyJwIjoi…"], min_length=1)]


class SignUpAnswers(TypedDict):
    """The answers of a finished sign-up."""

    name: Annotated[str, Meta(examples=["Asha Devi"])]
    phone: Annotated[str, Meta(examples=["+919876543210"])]
    pincode: Annotated[str, Meta(examples=["560001"])]
    sector: Annotated[str, Meta(examples=["Agriculture"])]


HAND_OFF = Operation(
    id="handOff",
    method="POST",
    path="/handoff",
    tag=TAG,
    summary="Turn the token of a login link into the answers of the sign-up",
    description="For the web app, after the OTP was right. A link holds for 30 minutes, and a later one replaces it.",
    guard=WebAppKey(),
    body=HandoffRequest,
    body_examples={"token": {"token": "eyJwIjoi…"}},
    answers={
        HTTPStatus.OK: Answer(
            description="The answers.",
            schema=SignUpAnswers,
            example={"name": "Asha Devi", "phone": "+919876543210", "pincode": "560001", "sector": "Agriculture"},
        )
    },
    problems=(problem_kinds.NO_TOKEN, problem_kinds.BAD_TOKEN, problem_kinds.LINK_EXPIRED),
)

OPERATIONS = (HAND_OFF,)
