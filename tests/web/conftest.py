"""Every answer that a test of this room gets from a JSON endpoint is compared with the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.documented import expect_documented


@pytest.fixture(autouse=True)
def answers_are_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    open_ = FlaskClient.open

    def open_and_compare(self: FlaskClient, *args: Any, **kwargs: Any) -> TestResponse:
        response = open_(self, *args, **kwargs)
        request = response.request
        expect_documented(response, request.path, request.method)
        return response

    monkeypatch.setattr(FlaskClient, "open", open_and_compare)
