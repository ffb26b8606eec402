"""What comes over the wire as no library would send it: in chunks, with doubled slashes, over IPv6, or cut off."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from onboarding_bot.app import LARGEST_BODY
from tests.e2e.world import World
from tests.servers import missing
from tests.settings import ENVIRONMENT
from tests.talker import new_sid, signature, webhook_form

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
ADMIN = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
WEB_APP = {"Authorization": f"Bearer {ENVIRONMENT['HANDOFF_API_KEY']}"}
SENDER = "whatsapp:+919000777001"
ID = "0" * 24
# Every address that takes a body, and who may send it one.
PLACES = {
    **dict.fromkeys(("/webhook", "/webhook/fallback", "/status-callback"), (FORM, {})),
    **dict.fromkeys(("/send-broadcast", "/people/lookup", "/people/erase", "/people/consent"), (JSON, ADMIN)),
    **dict.fromkeys(("/broadcasts/pause-all", f"/broadcasts/{ID}/pause", f"/broadcasts/{ID}/cancel"), (JSON, ADMIN)),
    "/handoff": (JSON, WEB_APP),
}


def port_of(world: World) -> int:
    port = urlsplit(world.bot_url).port
    assert port
    return port


def post_in_chunks(
    world: World, target: str, chunks: Iterable[bytes], headers: dict[str, str], host: str = "127.0.0.1"
) -> tuple[int, bytes]:
    """Send a body whose length nobody tells beforehand, and read the answer."""
    connection = HTTPConnection(host, port_of(world), timeout=20)
    try:
        connection.putrequest("POST", target)
        for name, value in (headers | {"Transfer-Encoding": "chunked"}).items():
            connection.putheader(name, value)
        connection.endheaders()
        for chunk in chunks:
            connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        connection.send(b"0\r\n\r\n")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(world: World, request: bytes) -> int:
    """Send these bytes and no more; the status of the answer."""
    with socket.create_connection(("127.0.0.1", port_of(world)), timeout=20) as wire:
        wire.sendall(request)
        wire.shutdown(socket.SHUT_WR)
        answer = HTTPResponse(wire)
        answer.begin()
        return answer.status


def signed_form(world: World, path: str, length: int = 0, text: str = "Hi") -> tuple[bytes, dict[str, str]]:
    """A form of Twilio's of ``length`` bytes, and its headers."""
    form = webhook_form(text, SENDER, new_sid())
    if length:
        form["Padding"] = ""
        form["Padding"] = "x" * (length - len(urlencode(form)))
    return urlencode(form).encode(), {
        "Content-Type": FORM,
        "X-Twilio-Signature": signature(world.bot_url + path, form),
    }


def pieces(body: bytes, size: int = 1000) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


# --- in chunks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/webhook", "/webhook/fallback"])
@pytest.mark.parametrize(
    ("length", "status"), [(0, 200), (LARGEST_BODY, 200), (LARGEST_BODY + 1, 413), (LARGEST_BODY + 50_000, 413)]
)
def test_a_form_in_chunks_may_have_64_kib(world: World, path: str, length: int, status: int) -> None:
    body, headers = signed_form(world, path, length)
    for size in (999, 65536, 200_000):
        assert post_in_chunks(world, path, pieces(body, size), headers)[0] == status


@pytest.mark.parametrize("path", PLACES)
def test_no_body_is_larger_than_64_kib(world: World, path: str) -> None:
    content_type, headers = PLACES[path]
    body = b" " * (LARGEST_BODY + 1) if content_type == JSON else b"a=" + b"x" * LARGEST_BODY
    sent = headers | {"Content-Type": content_type}
    assert post_in_chunks(world, path, pieces(body, 8192), sent)[0] == 413
    # A body that is good as far as it was read is none either, nor is its end.
    good = b'{"message": "Hi"}' if content_type == JSON else signed_form(world, path)[0]
    for whole in (good + b" " * LARGEST_BODY, b" " * (LARGEST_BODY + 1) + good):
        assert post_in_chunks(world, path, pieces(whole, 8192), sent)[0] == 413


def test_json_in_chunks_is_read(world: World) -> None:
    status, body = post_in_chunks(
        world, "/send-broadcast", [b'{"message": ', b'"Hi", "dry_', b'run": true}'], ADMIN | {"Content-Type": JSON}
    )
    assert (status, b'"dry_run":true' in body) == (200, True)


def test_a_form_of_the_dashboard_in_chunks_is_bounded_too(world: World) -> None:
    page = requests.get(f"{world.bot_url}/dashboard/sign-in", timeout=20)
    headers = {
        "Content-Type": FORM,
        "Cookie": f"dashboard={page.cookies['dashboard']}",
        "Sec-Fetch-Site": "same-origin",
    }
    for key, status in (("x" * 100, 403), ("x" * 70_000, 413)):
        body = urlencode({"key": key, "next": ""}).encode()
        assert post_in_chunks(world, "/dashboard/sign-in", pieces(body), headers)[0] == status


# --- lengths that lie ----------------------------------------------------------------------------------------------


def test_a_body_that_was_cut_off_is_none(world: World) -> None:
    """What arrived may be good JSON, and mean something else."""
    body = b'{"message": "Hi", "dry_run": false}'
    head = b"POST /send-broadcast HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\n" + b"".join(
        f"{name}: {value}\r\n".encode() for name, value in ADMIN.items()
    )
    for length in (len(body) + 1, LARGEST_BODY):
        assert raw(world, head + f"Content-Length: {length}\r\n\r\n".encode() + body) == 400
    assert raw(world, head + f"Content-Length: {LARGEST_BODY + 1}\r\n\r\n".encode() + body) == 413
    assert raw(world, head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s" % (len(body), body)) == 400
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(world, head + both + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)) == 400


# --- the address as it came ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        *("/webhook", "/webhook?", "/webhook/", "/webhook/?", "//webhook", "//webhook?", "//webhook/", "///webhook"),
        *(
            "/webhook?tenant=1",
            "//webhook?tenant=1&",
            "/webhook?a=%20+%2B&&b=%7E~",
            "/web%68ook",
            "/webhook?a=1?",
            "/webhook??",
        ),
        *("//webhook//fallback", "/webhook//fallback?", "//webhook/fallback"),
    ],
)
def test_the_address_is_verified_as_twilio_signs_it(world: World, target: str) -> None:
    body, headers = signed_form(world, target)
    status, answer = post_in_chunks(world, target, [body], headers)
    assert status == 200
    assert b"<Response" in answer
    other, headers = signed_form(world, target + "x")
    assert post_in_chunks(world, target, [other], headers)[0] == 403


def test_a_status_callback_is_verified_in_the_same_way(world: World) -> None:
    for target in (f"//status-callback?broadcast={ID}&row=1", "/status-callback?"):
        body, headers = signed_form(world, target)
        assert post_in_chunks(world, target, [body], headers)[0] == 204


# --- IPv6 ----------------------------------------------------------------------------------------------------------


def test_it_answers_over_ipv6_and_ipv4(world: World) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        missing("IPv6")
    for host in ("::1", "127.0.0.1"):
        connection = HTTPConnection(host, port_of(world), timeout=20)
        connection.request("GET", "/health/live")
        assert connection.getresponse().status == 200
        connection.close()
    body, headers = signed_form(world, "/webhook")
    assert post_in_chunks(world, "/webhook", [body], headers, host="::1")[0] == 200
