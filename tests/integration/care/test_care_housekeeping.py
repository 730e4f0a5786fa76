"""Housekeeping without a daemon: as whom it is done, and that nobody does it twice at once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from care_lab import World
from tidemill.service.lock import StateLock

SOURCE = Path(__file__).parents[3] / "daemon"
NOBODY = 65534


def keep_house(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    world.lab.close()
    return subprocess.run(
        [sys.executable, "-P", "-m", "tidemill.service.housekeeping", "--state", str(world.paths.root), *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_prunes_and_tells(world):
    world.now = 0
    world.run("a000000000", age=90)
    world.run("b000000000", age=1)

    done = keep_house(world, "prune", json.dumps({"older_than": 0.0}))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"] == 1
    assert world.files("a000000000") == []


def test_it_is_refused_while_a_daemon_serves(world):
    with StateLock(world.paths):
        done = keep_house(world, "prune", "{}")

    assert done.returncode == 6
    assert "already serves" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be asked to be somebody else")
def test_root_does_it_as_the_owner_of_the_state_directory(world, tmp_path_factory):
    for part in (world.paths.root, *world.paths.root.parents):
        if part.stat().st_mode & 0o001 == 0 and part != Path("/"):
            part.chmod(part.stat().st_mode | 0o011)
    world.run("a000000000", age=90)
    world.run("b000000000", age=1)
    world.lab.close()
    for path in (world.paths.root, *world.paths.root.rglob("*")):
        shutil.chown(path, NOBODY, NOBODY)
    if subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", "--clear-groups", sys.executable, "-c", ""], check=False, capture_output=True
    ).returncode:
        pytest.skip("another user cannot run this Python")

    done = keep_house(world, "repair")

    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in world.paths.root.rglob("*")} == {NOBODY}
