"""The request class of the app: it reads a body whole, or refuses one that is too large, cut off or badly chunked."""

from __future__ import annotations

from io import BytesIO
from typing import IO

from flask import Request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge
from werkzeug.utils import cached_property
from werkzeug.wsgi import get_input_stream


class CompleteBodyRequest(Request):
    """A request with a complete body. Flask's own cuts a chunked body off at the limit, and takes what it has."""

    _refused: HTTPException | None = None

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Raises RequestEntityTooLarge, or BadRequest for one that is cut off, at every access."""
        if self._refused is None:
            try:
                return BytesIO(self._read())
            except ParseException:
                self._refused = BadRequest("The body is not in the chunks that its head speaks of.")
            except HTTPException as error:
                # A second access would read the rest, and take that for the body.
                self._refused = error
        raise self._refused

    def _read(self) -> bytes:
        limit, told = self.max_content_length, self.content_length
        if limit is None:
            return get_input_stream(self.environ).read()
        if told is not None and told > limit:
            raise RequestEntityTooLarge
        body = get_input_stream(self.environ, max_content_length=limit + 1).read()
        if len(body) > limit:
            raise RequestEntityTooLarge
        if told is not None and len(body) < told:
            raise BadRequest("The body ended before its Content-Length.")
        return body
