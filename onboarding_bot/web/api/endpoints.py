"""Joins an operation with its guard and its view: the view is called with the records that the operation takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from msgspec import Struct

from onboarding_bot.admin_keys import AdminKeys, Role
from onboarding_bot.web.api.audit import audit_broadcast
from onboarding_bot.web.api.authentication import Guard, View, admin_only, bearer_only
from onboarding_bot.web.api.operations.operation import NoFields, Operation, WebAppKey
from onboarding_bot.web.api.request_fields import read_body, read_headers, read_query, refuse_body

Parse = Callable[[Mapping[str, Any]], Struct]


class Endpoints:
    """Adds endpoints to ``routes``, each behind the guard that its operation names, with the keys that it lets in."""

    def __init__(self, routes: Blueprint, *, admin_keys: AdminKeys | None = None, web_app_key: str = "") -> None:
        self._routes = routes
        self._admin_keys = admin_keys or AdminKeys(())
        self._web_app_key = web_app_key

    def add(
        self, operation: Operation, *, parse: Parse | None = None, guard: Guard | None = None
    ) -> Callable[[View], View]:
        """Register a view for an operation.

        The view gets the path's parameters by their names and, as ``headers``, ``query`` and ``body``, the operation's
        records that have fields. ``parse`` reads a body with rules between its fields, and ``guard`` replaces the
        usual one.
        """

        def register(view: View) -> View:
            @wraps(view)
            def read_and_call(**path: str) -> ResponseReturnValue:
                if operation.audit and "broadcast_id" in path:
                    audit_broadcast(path["broadcast_id"])
                return view(**path, **_records(operation, parse))

            guarded = (guard or self._guard_of(operation))(read_and_call)
            self._routes.add_url_rule(
                operation.rule, endpoint=operation.id, view_func=guarded, methods=[operation.method]
            )
            return view

        return register

    def _guard_of(self, operation: Operation) -> Guard:
        match operation.guard:
            case Role() as role:
                return admin_only(self._admin_keys, role, audit=operation.audit)
            case WebAppKey():
                return bearer_only(self._web_app_key)
            case None:
                return _open


def _open(view: View) -> View:
    return view


def _records(operation: Operation, parse: Parse | None) -> dict[str, Struct]:
    """What this request gives for the operation. Raises InvalidFieldError for the first field at fault."""
    records: dict[str, Struct] = {}
    if operation.headers:
        records["headers"] = read_headers(operation.headers)
    if operation.query:
        records["query"] = read_query(operation.query)
    if operation.body:
        records["body"] = refuse_body() if operation.body is NoFields else read_body(operation.body, parse)
    return {name: record for name, record in records.items() if not isinstance(record, NoFields)}
