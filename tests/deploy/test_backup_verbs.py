"""`deploy.sh backup` and `restore` on a machine without Docker, from one real Redis into another."""

from __future__ import annotations

import shutil
from pathlib import Path

from redis import Redis

from tests.deploy.clones import Clone
from tests.deploy.test_verbs import GOOD_SETTINGS
from tests.servers import missing, running_redis


def test_what_one_redis_held_is_in_the_other_afterwards(clone: Clone, tmp_path: Path) -> None:
    if not shutil.which("redis-cli"):
        missing("redis-cli")
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder in folders:
        folder.mkdir()
    with running_redis(folders[0], "--repl-diskless-sync-delay", "0") as old, running_redis(folders[1]) as new:
        Redis(port=old.port).set("{s1}:counters", "kept")
        told = clone.run("backup", REDIS_URL=old.url, **GOOD_SETTINGS)
        assert (told.returncode, told.stderr) == (0, "")
        file = clone.folder / told.stdout.split()[0]
        assert file.parent == clone.folder / "var" / "backups"

        told = clone.run("restore", str(file), REDIS_URL=new.url, **GOOD_SETTINGS)
        assert (told.returncode, told.stdout) == (0, "1 keys restored; 0 people erased again; 0 broadcasts paused\n")
        assert Redis(port=new.port).get("{s1}:counters") == b"kept"

        told = clone.run("restore", str(file), REDIS_URL=new.url, **GOOD_SETTINGS)
        assert told.returncode == 1
        assert "only restored into an empty one" in told.stderr
