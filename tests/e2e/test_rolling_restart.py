"""Restarts while people write: every message gets its one answer, whichever process it meets."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.e2e.people import store_at
from tests.e2e.world import PATIENCE_SECONDS, Process, World, eventually
from tests.servers import free_port
from tests.talker import new_sid, signature, webhook_form

PEOPLE = 20
STORY = (
    *("Hi", "Asha Devi", "HELP", "7", "STATUS", "560001", "98765 43210", "NO", "1", "Asha Rani", "STATUS"),
    *("RESTART", "Asha Devi", "tecnology", "BACK", "HINDI", "7", "५६००१", "STATUS", "560001", "98765 43210"),
    *("ENGLISH", "NO", "3", "110001", "STATUS", "RESTART", "Ravi Kumar", "3", "600001", "STATUS", "98765 43210"),
)
# Twilio's own retries, as SETUP.md has them configured.
RETRIES = 2
RETRY_PAUSE_SECONDS = 0.5


@dataclass
class Chat:
    """Somebody who writes one message after the other, delivered as Twilio does it, to whichever copy answers."""

    world: World
    copies: list[str]
    sender: str
    sids: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    retries: int = 0

    def tell(self, over: threading.Event) -> None:
        """The whole story, and then ever more slowly a STATUS, until it is over."""
        pause_seconds = 0.04
        for text in STORY:
            self._say(text)
            time.sleep(pause_seconds)
        while not over.wait(pause_seconds):
            self._say("STATUS")
            pause_seconds = max(0.2, pause_seconds * 1.2)
        self._say("STATUS")

    def expects_the_replies_of(self, quiet: Chat) -> None:
        """Word for word what a quiet conversation brings."""
        assert self.replies == quiet.replies + quiet.replies[-1:] * (len(self.replies) - len(quiet.replies))

    def _say(self, text: str) -> None:
        self.sids.append(new_sid())
        self.replies.append(self._deliver(webhook_form(text, self.sender, self.sids[-1])))

    def _deliver(self, form: dict[str, str]) -> str:
        signed = {"X-Twilio-Signature": signature(f"{self.world.bot_url}/webhook", form)}
        for attempt in range(RETRIES + 1):
            if attempt:
                self.retries += 1
                time.sleep(RETRY_PAUSE_SECONDS)
            try:
                copy = self.copies[attempt % len(self.copies)]
                response = requests.post(f"{copy}/webhook", data=form, headers=signed, timeout=PATIENCE_SECONDS)
            except requests.ConnectionError:
                continue
            if response.status_code == 200:
                return response.text
        raise AssertionError(f"{form['Body']!r} was lost")

    def expects_each_message_handled_once(self) -> None:
        """What the store remembers of this person is what was sent: nothing is missing, and nothing is there twice."""
        store = store_at(self.world.redis.url)
        session = store.load(store.identify(self.sender)).session
        assert session is not None
        assert [known.message_sid for known in session.remembered] == self.sids


@contextmanager
def twenty_people_chatting(world: World, copies: list[str], series: int) -> Iterator[list[Chat]]:
    """They write while the block runs; afterwards nothing is lost and nothing was handled twice.

    They have no phone numbers, which the replies would show.
    """
    over = threading.Event()
    over.set()
    quiet = Chat(world, copies, f"whatsapp:IN.{series}999")
    quiet.tell(over)
    over.clear()
    chats = [Chat(world, copies, f"whatsapp:IN.{series}{number:03}") for number in range(PEOPLE)]
    with ThreadPoolExecutor(PEOPLE) as pool:
        telling = [pool.submit(chat.tell, over) for chat in chats]
        try:
            eventually(lambda: all(chat.replies for chat in chats), "everybody has begun")
            yield chats
        finally:
            over.set()
        for told in telling:
            told.result()
    for chat in chats:
        chat.expects_the_replies_of(quiet)
        chat.expects_each_message_handled_once()


def workers_of(bot: Process) -> set[int]:
    """The processes that answer, by their ids."""
    assert bot.popen is not None
    children = Path(f"/proc/{bot.popen.pid}/task/{bot.popen.pid}/children").read_text()
    return {int(child) for child in children.split()}


def send_hup(bot: Process) -> Callable[[], bool]:
    """Reload; what comes back tells whether all of the old workers have gone."""
    assert bot.popen is not None
    old = workers_of(bot)
    os.kill(bot.popen.pid, signal.SIGHUP)
    return lambda: len(workers_of(bot) - old) >= 2 and not workers_of(bot) & old


def test_a_reload_while_twenty_people_chat_loses_no_message(world: World) -> None:
    with twenty_people_chatting(world, [world.bot_url], series=1) as chats:
        is_reloaded = send_hup(world.bot)
        eventually(is_reloaded, "new workers in the place of the old ones")
    assert sum(chat.retries for chat in chats) == 0, "the port stays open throughout"


@pytest.fixture
def second_copy(world: World, tmp_path: Path) -> Iterator[tuple[Process, str]]:
    """The same release once more, on a port of its own."""
    port = free_port()
    copy = Process("copy", world.bot.command, world.environment | {"PORT": str(port)}, tmp_path / "copy.log")
    yield copy, f"http://127.0.0.1:{port}"
    if copy.popen and copy.popen.poll() is None:
        copy.stop()


def start(copy: Process, url: str) -> None:
    copy.start()
    eventually(lambda: is_ready(url), f"the copy, see {copy.log}")


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/ready", timeout=PATIENCE_SECONDS).status_code == 200
    except requests.RequestException:
        return False


def test_a_new_copy_in_the_place_of_the_old_one_loses_no_message(
    world: World, second_copy: tuple[Process, str]
) -> None:
    """The new one starts, the old one is asked to end, and whoever still tries the old one is retried."""
    new, url = second_copy
    try:
        with twenty_people_chatting(world, [world.bot_url, url], series=2) as chats:
            start(new, url)
            assert world.bot.stop() == 0
        assert sum(chat.retries for chat in chats) > 0
    finally:
        if world.bot.popen and world.bot.popen.poll() is not None:
            world.start_bot()
