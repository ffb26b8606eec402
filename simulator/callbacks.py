"""Posts status callbacks to the bot: signed, a few at a time, and again where the URL's overrides ask for it."""

from __future__ import annotations

import threading
from urllib.parse import urldefrag

import requests
from requests.adapters import HTTPAdapter

from simulator.background import Sleep
from simulator.logs import log
from simulator.settings import ConnectionOverrides, Settings
from simulator.signature import real_address, sign

_AT_ONCE = 32
_PAUSE_SECONDS = 0.5


class CallbackPost:
    """One for the whole process; ``posted`` and ``failed`` count callbacks, not attempts."""

    def __init__(self, settings: Settings, sleep: Sleep) -> None:
        self._settings = settings
        self._sleep = sleep
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._count_lock = threading.Lock()
        self.posted = 0
        self.failed = 0
        self._http = requests.Session()
        # Proxies and netrc are looked up for every request otherwise, which costs more than the request.
        self._http.trust_env = False
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, HTTPAdapter(pool_maxsize=_AT_ONCE, max_retries=0))

    def forget(self) -> None:
        """Count from zero again."""
        with self._count_lock:
            self.posted = self.failed = 0

    def post(self, url: str, form: dict[str, str]) -> None:
        """Deliver one callback with all the attempts that this takes; it is lost when none works."""
        signed_url, fragment = urldefrag(url)
        overrides = _overrides(fragment)
        for attempt in range(overrides.retries + 1):
            if attempt:
                self._sleep(_PAUSE_SECONDS)
            with self._slots:
                failure = self._attempt(signed_url, form, overrides)
            if failure not in overrides.repeated:
                break
        with self._count_lock:
            self.posted += 1
            self.failed += failure is not None

    def _attempt(self, url: str, form: dict[str, str], overrides: ConnectionOverrides) -> str | None:
        """What went wrong, in the words of ``rp``, or None."""
        status: int | str
        failure = None
        try:
            answer = self._http.post(
                real_address(url, self._settings),
                data=form,
                headers={
                    "X-Twilio-Signature": sign(url, form, self._settings.auth_tokens[0]),
                    "User-Agent": "TwilioProxy/1.1",
                },
                timeout=(overrides.connect_seconds, overrides.read_seconds),
                allow_redirects=False,
            )
        except requests.ReadTimeout:
            status, failure = "none", "rt"
        except requests.RequestException as error:
            status, failure = type(error).__name__, "ct"
        else:
            status = answer.status_code
            if status >= 400:
                failure = "5xx" if status >= 500 else "4xx"
        log("status_callback", status=form["MessageStatus"], answer=status)
        return failure


def _overrides(fragment: str) -> ConnectionOverrides:
    try:
        return ConnectionOverrides.parse(fragment)
    except ValueError:
        # As Twilio does: what it cannot read, it leaves out.
        return ConnectionOverrides()
