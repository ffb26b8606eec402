"""Asking the bot that runs here: which key goes along, and one line for whatever keeps it from answering."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from onboarding_bot.services.running_bot import NotAskedError, ask, reading_key
from tests.servers import free_port


class Bot(BaseHTTPRequestHandler):
    """Answers with the status that stands in the path, and with the key that it got."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:4]))
        self.end_headers()
        key = self.headers.get("Authorization")
        self.wfile.write(b"no JSON" if self.path.endswith("text") else json.dumps({"key": key}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    server = HTTPServer(("127.0.0.1", 0), Bot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"PORT": str(server.server_port)}
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "key", "text", "is_success"),
    [
        pytest.param("/200", None, '{\n  "key": null\n}', True, id="without a key"),
        pytest.param("/200", "secret", '{\n  "key": "Bearer secret"\n}', True, id="with a key"),
        pytest.param("/503", None, '{\n  "key": null\n}', False, id="a failure"),
        pytest.param("/200/text", None, "no JSON", True, id="no JSON"),
    ],
)
def test_the_answer_is_shown_as_it_is(
    environ: dict[str, str], path: str, key: str | None, text: str, is_success: bool
) -> None:
    answer = ask(environ, path, key)
    assert (answer.text, answer.is_success) == (text, is_success)


@pytest.mark.parametrize(
    ("port", "key", "says"),
    [
        pytest.param(str(free_port()), None, "does not answer: ", id="nobody listens"),
        pytest.param("five thousand", None, "PORT or ADMIN_API_KEY is wrong", id="a port in words"),
        pytest.param("", "a-key\nand-more", "PORT or ADMIN_API_KEY is wrong", id="a key that no header takes"),
    ],
)
def test_one_line_says_why_it_cannot_be_asked(environ: dict[str, str], port: str, key: str | None, says: str) -> None:
    with pytest.raises(NotAskedError) as told:
        ask({"PORT": port or environ["PORT"]}, "/200", key)
    assert says in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert not key or key not in str(told.value)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("a-key-for-the-admins", "a-key-for-the-admins"),
        ("a:send:a-key-that-sends-1,b:read:a-key-that-reads-1", "a-key-that-reads-1"),
    ],
)
def test_the_key_is_one_that_may_read(keys: str, found: str) -> None:
    assert reading_key({"ADMIN_API_KEY": keys}) == found


def test_the_demo_has_a_key_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "demo.env"
    file.write_text("ADMIN_API_KEY=the-key-of-the-demo\n")
    assert reading_key({"DEMO_ENV_FILE": str(file)}) == "the-key-of-the-demo"


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("", "is set neither in the environment nor in .env"),
        ("a:send:a-key-that-sends-1", "no key in ADMIN_API_KEY has the role read"),
        ("a:send:short", "ADMIN_API_KEY entry 1 must have at least 16 characters"),
    ],
)
def test_no_key_that_may_read_is_told(keys: str, says: str) -> None:
    with pytest.raises(NotAskedError, match=says):
        reading_key({"ADMIN_API_KEY": keys, "DEMO_ENV_FILE": "/nonexistent"})
