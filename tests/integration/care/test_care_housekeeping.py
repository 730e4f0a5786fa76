"""Housekeeping without a daemon: as whom it is done, and that nobody does it twice at once."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from care_lab import World
from history_lab import Lab
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


@pytest.fixture
def elsewhere():
    """A folder that every user can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="tidemill-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be asked to be somebody else")
def test_root_does_it_as_the_owner_of_the_state_directory(elsewhere):
    as_nobody = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", sys.executable, "-c", "import msgspec, sqlalchemy"]
    if not shutil.which("setpriv") or subprocess.run(as_nobody, check=False, capture_output=True).returncode:
        pytest.skip("another user cannot run this Python")
    world = World(Lab(elsewhere / "history.db", elsewhere))
    world.run("a000000000", age=90)
    world.run("b000000000", age=1)
    world.lab.close()
    for path in (elsewhere, *elsewhere.rglob("*")):
        shutil.chown(path, NOBODY, NOBODY)

    done = keep_house(world, "repair")

    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in elsewhere.rglob("*")} == {NOBODY}


def test_a_directory_that_cannot_be_used_is_told_in_a_sentence(world):
    world.lab.close()
    (world.paths.root / "lock").mkdir()

    done = keep_house(world, "prune", "{}")

    assert done.returncode == 5
    place = f"the state directory {world.paths.root}"
    assert done.stderr.startswith(f"tidemill: {place} cannot be written (Is a directory); ")
