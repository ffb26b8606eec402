"""Backup and restore with real Redis servers: conversations go on in an empty one, and whoever was erased stays so."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis import Redis

from onboarding_bot import progress
from onboarding_bot.app import create_app
from onboarding_bot.backups import restore
from onboarding_bot.backups.erasure_list import ErasureList, written
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.progress import Progress
from onboarding_bot.storage import keys, snapshot
from onboarding_bot.storage.connection import connect
from onboarding_bot.wiring import build_parts
from tests.command_line import run_command
from tests.fakes import FakeOtpService
from tests.servers import RedisServer, free_port, missing, running_cluster, running_redis
from tests.settings import ENVIRONMENT, settings
from tests.talker import Talker

# Redis would wait for other replicas that might want the same snapshot.
AT_ONCE = ("--repl-diskless-sync-delay", "0")
ASHA, RAVI = "whatsapp:+919876543210", "whatsapp:+919876543211"


@pytest.fixture
def old(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """The Redis that the bot works with, until the night when it is lost."""
    for program in ("redis-cli", "redis-server"):
        if not shutil.which(program):
            missing(program)
    with running_redis(tmp_path_factory.mktemp("old"), *AT_ONCE) as server:
        work_with(server.url, monkeypatch)
        yield server


@pytest.fixture
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """An empty one in its place."""
    with running_redis(tmp_path_factory.mktemp("new")) as server:
        yield server


def work_with(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ENVIRONMENT | {"REDIS_URL": url}).items():
        monkeypatch.setenv(name, value)


def talker_at(url: str, sender: str = ASHA) -> Talker:
    """Somebody who talks to a bot on that Redis, which begins with this."""
    return Talker(create_app(settings(), redis=connect(url), otp_service=FakeOtpService()), sender)


def erasures_at(url: str) -> list[tuple[str, datetime]]:
    """Who was erased, and when."""
    return build_parts(settings(), redis=connect(url)).storage.erasures.log.erased_since(datetime.fromtimestamp(0, UTC))


# --- a night on which Redis is lost --------------------------------------------------------------------------------


def test_a_half_done_conversation_goes_on_in_an_empty_redis(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = talker_at(old.url).says_all("Hi", "Asha Devi", "7").expects_step("pincode")
    talker_at(old.url, RAVI).says_all("Hi", "STOP")
    file = tmp_path / "night.rdb"
    assert run_command("backup", str(file)) == 0
    before.says("560001")

    work_with(new.url, monkeypatch)
    assert run_command("restore", str(file)) == 0
    after = talker_at(new.url).expects_step("pincode")
    after.says("560001").expects_step("phone").says("98765 43210").says("YES").expects_step("completed")
    assert talker_at(new.url, RAVI).stored.contact.opt_out is not None


def test_lives_end_when_they_would_have_ended(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker = talker_at(old.url).says_all("Hi", "Asha Devi")
    names = [talker.store._keys.session(talker.stored.person_id), talker.store._keys.draft(talker.stored.person_id)]
    redis = Redis(port=old.port)
    redis.pexpire(names[0], 3_600_000)
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "night.rdb")) == 0
    for name in names:
        assert abs(Redis(port=new.port).pttl(name) - redis.pttl(name)) < 5_000
    assert set(Redis(port=new.port).keys()) == set(redis.keys()) - {keys.HEARTBEATS.encode()}


def test_a_backup_under_writes_has_everybody_as_they_were_at_one_moment(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other says a name: in the backup nobody has spoken after somebody who had not yet."""
    people = [f"whatsapp:+9198760{number:05}" for number in range(120)]
    talkers = [talker_at(old.url, people[0])]
    talkers += [Talker(talkers[0].app, sender) for sender in people[1:]]
    for talker in talkers:
        talker.says("Hi")
    speaking = threading.Event()

    def speak() -> None:
        for number, talker in enumerate(talkers):
            if number == 20:
                speaking.set()
            talker.says("Asha Devi")

    thread = threading.Thread(target=speak)
    thread.start()
    assert speaking.wait(120)
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    thread.join()
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "night.rdb")) == 0
    restored = talker_at(new.url).app
    found = [Talker(restored, sender).stored for sender in people]
    steps = [person.session.current_step for person in found]
    spoken = steps.count("sector")
    assert spoken >= 20
    assert steps == ["sector"] * spoken + ["name"] * (len(people) - spoken)
    assert all(person.contact.draft.data == person.session.data for person in found[:spoken])


def test_a_backup_and_a_restore_tell_how_far_they_have_come(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, int | None]] = []

    @contextmanager
    def shown() -> Iterator[Progress]:
        yield lambda what, done, total: told.append((what, done, total))

    monkeypatch.setattr(progress, "shown_on_terminal", shown)
    monkeypatch.setattr(snapshot, "PROGRESS_SECONDS", 0.001)
    talker_at(old.url).says_all("Hi", "Asha Devi")
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    assert {what for what, _, _ in told} == {"bytes of the snapshot"}
    told.clear()
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "night.rdb")) == 0
    ((what, done, total),) = told
    assert (what, done > 0, done <= (total or 0)) == ("keys restored", True, True)


# --- erasures ------------------------------------------------------------------------------------------------------


def erase(url: str, sender: str) -> None:
    parts = build_parts(settings(), redis=connect(url))
    assert parts.storage.erasures.erase(parts.storage.store.identify(sender), parts.clock.now())


def test_an_erasure_after_the_backup_stays_done_after_a_restore(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sender in (ASHA, RAVI):
        talker_at(old.url, sender).says_all("Hi", "Asha Devi")
    monday, tuesday = tmp_path / "monday.rdb", tmp_path / "tuesday.rdb"
    assert run_command("backup", str(monday)) == 0
    erase(old.url, ASHA)
    assert run_command("backup", str(tuesday)) == 0
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(monday)) == 0
    assert erasures_at(new.url) == erasures_at(old.url), "what was written after an erasure is no part of it"
    assert talker_at(new.url, ASHA).stored.session is None
    assert talker_at(new.url, RAVI).stored.session.current_step == "sector"
    talker_at(new.url, ASHA).says("Hi").expects_step("name").hears("Welcome to MSMEBazaar")


def test_an_erasure_after_the_last_backup_is_known_from_the_log(
    old: RedisServer,
    new: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    talker_at(old.url).says_all("Hi", "Asha Devi")
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    capsys.readouterr()
    talker_at(old.url).says_all("DELETE MY DATA", "YES")
    log = tmp_path / "bot.log"
    log.write_text("not JSON\n" + capsys.readouterr().out + '{"event": "erased", "person_id"')
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "night.rdb"), "--erasures", str(log)) == 0
    assert "1 people erased again" in capsys.readouterr().out
    assert talker_at(new.url).stored.session is None


def test_whoever_came_back_after_an_erasure_is_kept(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker_at(old.url).says_all("Hi", "Asha Devi")
    erase(old.url, ASHA)
    talker_at(old.url).says_all("Hi", "Asha Devi")
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "night.rdb")) == 0
    talker_at(new.url).expects_step("sector")


def test_whoever_came_back_is_kept_when_only_an_old_list_knows_of_the_erasure(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list in Redis is shortened by the day; those beside older backups reach further back."""
    for sender in (ASHA, RAVI):
        talker_at(old.url, sender).says_all("Hi", "Asha Devi")
        erase(old.url, sender)
    assert run_command("backup", str(tmp_path / "monday.rdb")) == 0
    talker_at(old.url, ASHA).says_all("Hi", "Asha Devi")
    parts = build_parts(settings(), redis=connect(old.url))
    parts.storage.erasures.log.forget_before(parts.clock.now())
    assert run_command("backup", str(tmp_path / "tuesday.rdb")) == 0
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "tuesday.rdb")) == 0
    talker_at(new.url, ASHA).expects_step("sector")
    assert talker_at(new.url, RAVI).stored.contact.opt_out


USER_ID = "IN.13491208655302741918"


@pytest.mark.parametrize("met_by", [ASHA, f"whatsapp:{USER_ID}"], ids=["met by number", "met by id"])
def test_a_restored_backup_forgets_a_person_under_every_address(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, met_by: str
) -> None:
    first = talker_at(old.url, met_by).says_all("Hi", "Asha Devi")
    before = Talker(first.app, ASHA, USER_ID).says("7").expects_step("pincode")
    person = before.stored.person_id
    assert run_command("backup", str(tmp_path / "monday.rdb")) == 0
    before.hiding_the_number().says_all("DELETE MY DATA", "YES")
    assert len(erasures_at(old.url)) == 2
    assert run_command("backup", str(tmp_path / "tuesday.rdb")) == 0
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "monday.rdb")) == 0
    assert sorted(erasures_at(new.url)) == sorted(erasures_at(old.url))
    restored = Redis(port=new.port)
    assert not list(restored.scan_iter("*:link:*"))
    leading = [name for name in restored.scan_iter("*:alias:*") if restored.pttl(name) > 15 * 60 * 1000]
    assert not leading, "no address leads to the person for longer than copies may come"
    for after in (talker_at(new.url, ASHA), talker_at(new.url, f"whatsapp:{USER_ID}")):
        assert after.stored.session is None
        assert after.stored.contact.opt_out.source == "erasure"
    assert talker_at(new.url).store.load(person).session is None


def test_whoever_came_back_is_kept_under_every_address(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha = Talker(talker_at(old.url).app, ASHA, USER_ID).says_all("Hi", "Asha Devi", "DELETE MY DATA", "YES")
    assert run_command("backup", str(tmp_path / "monday.rdb")) == 0
    asha.says_all("Hi", "Asha Devi")
    parts = build_parts(settings(), redis=connect(old.url))
    parts.storage.erasures.log.forget_before(parts.clock.now())
    assert run_command("backup", str(tmp_path / "tuesday.rdb")) == 0
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "tuesday.rdb")) == 0
    after = Talker(talker_at(new.url).app, ASHA, USER_ID)
    after.hiding_the_number().expects_step("sector").says("7").expects_step("pincode")


def test_the_keys_fit_a_backup_of_people_who_are_written_to_under_another_address(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their record stands under the hash of a number that somebody else has by now."""
    earlier = Talker(talker_at(old.url).app, ASHA, USER_ID).says("Hi")
    Talker(earlier.app, ASHA, "IN.77001").says("Hi")
    Redis(port=old.port).delete(earlier.store._keys.contact(earlier.store.identify("whatsapp:IN.77001")))
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "night.rdb")) == 0


def test_a_list_of_erasures_reads_back_what_was_written() -> None:
    at, until = datetime(2026, 11, 22, 10, 0, 0, 123_000, UTC), datetime(2026, 11, 22, 11, tzinfo=UTC)
    erased = ErasureList()
    erased.read(written({"a" * 32: at, "b" * 32: until}, until).splitlines())
    erased.read([f"{'a' * 32} {(at - timedelta(days=1)).isoformat()}"])
    assert erased.latest == {"a" * 32: at, "b" * 32: until}
    assert erased.complete_until == until


# --- broadcasts ----------------------------------------------------------------------------------------------------


def test_a_restored_broadcast_sends_nothing_until_somebody_says_so(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it sent after the backup is not in the backup, and must not go out again by itself."""
    service = build_parts(settings(), redis=connect(old.url)).broadcasts.service
    broadcast_id = service.create(Definition(message="The fair opens on Monday."), None).record.id
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "night.rdb")) == 0
    restored = build_parts(settings(), redis=connect(new.url)).broadcasts.service
    assert restored.view(broadcast_id).record.status == "paused"


def test_what_is_made_anew_is_neither_restored_nor_in_the_way(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew = {"{dramatiq}:outbound": "jobs", keys.HEARTBEATS: "a minute ago", keys.SCHEDULER_LEASE: "this one"}
    Redis(port=old.port).mset(anew | {"{s1}:counters": "x"})
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    work_with(new.url, monkeypatch)
    Redis(port=new.port).mset(dict.fromkeys(anew, "another one"))
    assert run_command("restore", str(tmp_path / "night.rdb")) == 0
    restored = Redis(port=new.port)
    assert set(restored.keys()) == {name.encode() for name in (*anew, "{s1}:counters")}
    assert restored.mget(*anew) == [b"another one"] * len(anew)


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_backup_is_for_its_owner_alone_and_never_half_written(
    old: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talker_at(old.url).says_all("Hi", "Asha Devi")
    capsys.readouterr()
    file = tmp_path / "night.rdb"
    assert run_command("backup", str(file)) == 0
    files = [file, tmp_path / "night.rdb.erasures"]
    assert sorted(tmp_path.iterdir()) == files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert b"Asha" not in file.read_bytes()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [str(path) for path in files]


def test_old_backups_go_and_others_stay(
    old: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKUP_RETENTION_DAYS", "7")
    ages = {
        "backup-20260101T000000Z.rdb": 8,
        "backup-20260101T000000Z.rdb.erasures": 8,
        "backup-new.rdb": 6,
        "mine": 900,
    }
    for name, days in ages.items():
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time.time() - days * 86400,) * 2)
    assert run_command("backup", "--folder", str(tmp_path)) == 0
    kept = {path.name for path in tmp_path.iterdir()}
    assert {"backup-new.rdb", "mine"} < kept
    assert not any(name.startswith("backup-20260101") for name in kept)
    assert len(kept) == 4
    assert capsys.readouterr().out.count("deleted: older than BACKUP_RETENTION_DAYS") == 2


# --- what does not work --------------------------------------------------------------------------------------------


def test_a_restore_never_mixes_with_what_is_there(
    old: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talker_at(old.url).says("Hi")
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    assert run_command("restore", str(tmp_path / "night.rdb")) == 1
    assert "only restored into an empty one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SESSION_ENCRYPTION_KEYS", base64.urlsafe_b64encode(b"x" * 32).decode()),
        ("PERSON_ID_KEY", "another-key-than-that-of-the-tests"),
    ],
)
def test_a_backup_of_which_the_keys_are_lost_is_told_at_once(
    old: RedisServer,
    new: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
) -> None:
    talker_at(old.url).says_all("Hi", "Asha Devi")
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    work_with(new.url, monkeypatch)
    monkeypatch.setenv(name, value)
    assert run_command("restore", str(tmp_path / "night.rdb")) == 1
    assert f"not restored: {name}" in capsys.readouterr().err
    assert Redis(port=new.port).keys() == []


def test_somebody_who_writes_meanwhile_ends_it(
    old: RedisServer,
    new: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    talker = talker_at(old.url).says("Hi")
    assert run_command("backup", str(tmp_path / "night.rdb")) == 0
    work_with(new.url, monkeypatch)

    def written_to_meanwhile(_target: object) -> None:
        Redis(port=new.port).set(talker.store._keys.session(talker.stored.person_id), "newer")

    monkeypatch.setattr(restore, "refuse_unless_empty", written_to_meanwhile)
    assert run_command("restore", str(tmp_path / "night.rdb")) == 1
    assert "stop the bot and its workers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"), [(None, "does not exist"), (b"REDIS0011 but no more than this", "redis-server cannot load")]
)
def test_what_is_no_backup_is_refused(
    old: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, says: str
) -> None:
    file = tmp_path / "night.rdb"
    if content is not None:
        file.write_bytes(content)
    assert run_command("restore", str(file)) == 1
    assert says in capsys.readouterr().err


def test_without_redis_or_its_programs_one_line_says_so(
    old: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_command("backup", str(tmp_path / "night.rdb")) == 1
    assert "apt-get install redis-tools" in capsys.readouterr().err
    monkeypatch.undo()
    work_with("redis://127.0.0.1:1/0", monkeypatch)
    assert run_command("backup", str(tmp_path / "night.rdb")) == 1
    assert "no backup was made: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["redis", "redis+sentinel", "redis+cluster"])
def test_whatever_kind_of_redis_is_away_one_line_says_so(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = "/mymaster" if kind == "redis+sentinel" else ""
    work_with(f"{kind}://127.0.0.1:1{service}", monkeypatch)
    assert run_command("backup", str(tmp_path / "night.rdb")) == 1
    assert run_command("restore", str(tmp_path / "night.rdb")) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == ["no backup was made", "not restored"]


# --- other kinds of Redis ------------------------------------------------------------------------------------------


def test_with_a_password_that_no_list_of_processes_shows(
    tmp_path: Path, new: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_redis(tmp_path, *AT_ONCE) as server:
        admin = Redis(port=server.port)
        admin.execute_command("ACL", "SETUSER", "bot", "on", ">p@ss", "~*", "+@all")
        url = f"redis://bot:p%40ss@127.0.0.1:{server.port}/0"
        talker_at(url).says_all("Hi", "Asha Devi")
        work_with(url, monkeypatch)
        assert run_command("backup", str(tmp_path / "night.rdb")) == 0
        admin.execute_command("ACL", "SETUSER", "bot", "-sync")
        assert run_command("backup", str(tmp_path / "other.rdb")) == 1
    work_with(new.url, monkeypatch)
    assert run_command("restore", str(tmp_path / "night.rdb")) == 0
    talker_at(new.url).expects_step("sector")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "server.crt", folder / "server.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return files


def test_over_tls(old: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, key = certificate(tmp_path)
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key))
    with running_redis(tmp_path, *AT_ONCE, *tls, "--tls-ca-cert-file", str(cert), "--tls-auth-clients", "no") as server:
        url = f"rediss://localhost:{port}/0?ssl_ca_certs={cert}"
        work_with(url, monkeypatch)
        talker_at(url).says_all("Hi", "Asha Devi")
        assert run_command("backup", str(tmp_path / "night.rdb")) == 0
        Redis(port=server.port).flushall()
        assert run_command("restore", str(tmp_path / "night.rdb")) == 0
        talker_at(url).expects_step("sector")


def test_from_a_cluster_into_a_cluster(old: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder in folders:
        folder.mkdir()
    with running_cluster(folders[0]) as before, running_cluster(folders[1]) as after:
        Redis(port=before.port).config_set(AT_ONCE[0].removeprefix("--"), AT_ONCE[1])
        talker_at(before.cluster_url).says_all("Hi", "Asha Devi")
        work_with(before.cluster_url, monkeypatch)
        assert run_command("backup", str(tmp_path / "night.rdb")) == 0
        erase(before.cluster_url, ASHA)
        talker_at(before.cluster_url, RAVI).says("Hi")
        assert run_command("backup", str(tmp_path / "later.rdb")) == 0
        work_with(after.cluster_url, monkeypatch)
        assert run_command("restore", str(tmp_path / "later.rdb")) == 0
        assert talker_at(after.cluster_url).stored.session is None
        talker_at(after.cluster_url, RAVI).expects_step("name")


def test_from_a_server_beside_the_target_that_holds_the_snapshot(
    old: RedisServer, new: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How it is done with Docker Compose, where bot and Redis share no files."""
    talker_at(old.url).says_all("Hi", "Asha Devi")
    work_with(new.url, monkeypatch)
    assert run_command("restore", "unused.rdb", "--loaded-port", str(old.port)) == 0
    talker_at(new.url).expects_step("sector")
