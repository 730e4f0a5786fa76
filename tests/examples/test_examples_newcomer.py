"""What the README tells a newcomer, done: a project's folder, a real daemon in it, the commands as they are printed."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PATIENCE = 30

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone holds, as far as `make run` is concerned."""
    folder = tmp_path_factory.mktemp("newcomer")
    for part in ("flows", "config"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("out", "__pycache__"))
    return folder


@pytest.fixture(scope="module")
def tidemill(project: Path) -> Command:
    """The program, typed in that folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
    environment |= {"PYTHONPATH": str(ROOT / "daemon"), "COLUMNS": "120"}

    def run(*words: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "tidemill", *words],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stdout,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture(scope="module")
def served(project: Path, tidemill: Command) -> Iterator[Path]:
    """The folder with a daemon in the background."""
    started = tidemill("start")
    assert started.returncode == 0, started.stderr
    yield project
    assert tidemill("stop").returncode == 0
    assert tidemill("status").returncode == 3


def test_an_example_runs_by_itself_and_soon(served, tidemill):
    until = time.monotonic() + PATIENCE
    while not json.loads(tidemill("runs", "--flow", "hello", "--state", "completed", "--json").stdout):
        assert time.monotonic() < until, "hello was never run"
        time.sleep(0.1)
    assert "Hello from tidemill!" in tidemill("logs", "hello@last").stdout


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "flows").glob("*.py")))
def test_every_example_runs_when_asked(served, tidemill, name):
    done = tidemill("run", name, "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(tidemill("show", f"{name}@last", "--json").stdout)["state"] == "completed"


def test_the_first_steps_work_as_printed(served, tidemill):
    steps = README[README.index("## Try it") : README.index("## Writing flows")]
    lines = [line.split("#")[0] for line in steps.splitlines() if line.startswith("$ tidemill ")]
    dropped = re.search(r"```python\n(.*?)```", steps, flags=re.DOTALL)
    assert dropped
    (served / "flows" / "mine.py").write_text(dropped[1])
    assert tidemill("reload").returncode == 0
    assert len(lines) >= 10
    for line in lines:
        done = tidemill(*shlex.split(line)[2:])
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    assert "it works" in tidemill("logs", "mine@last").stdout


def test_a_broken_example_keeps_its_last_good_version(served, tidemill):
    path = served / "flows" / "two_tasks.py"
    path.write_text(path.read_text().replace("[1, 2, 3]", "[1, 2, 3"))
    assert tidemill("reload").returncode == 1
    told = next(flow for flow in json.loads(tidemill("flows", "--json").stdout) if flow["name"] == "two_tasks")
    assert re.search(r"two_tasks\.py:\d+", told["error"])
    assert tidemill("run", "two_tasks", "--wait").returncode == 0
    assert tidemill("check").returncode == 1


def test_the_reference_has_every_command_and_each_has_help(tidemill):
    table = README[README.index("## Commands") : README.index("| exit code |")]
    commands = {name for row in table.splitlines() if row.startswith("|") for name in re.findall(r"`([a-z]+)", row)}
    known = {path.stem for path in (ROOT / "daemon" / "tidemill" / "cli" / "commands").glob("[a-z]*.py")}
    assert commands == known
    for name in sorted(commands):
        assert tidemill(name, "--help").returncode == 0, name
