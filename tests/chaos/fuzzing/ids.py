"""Ids and names at every edge where somebody may give one: the reader, the paths, the names of results, the CLI."""

import io
import os
import string
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from chaos.fuzzing.nonsense import a_text, a_value
from chaos.fuzzing.watch import Watch, open_descriptors, outside, watching
from history_lab import Lab
from tidemill.cli.main import main
from tidemill.config.paths import StatePaths
from tidemill.domain.errors import TidemillError
from tidemill.domain.events import RunEnded, RunStarted, TaskEnded
from tidemill.domain.identifiers import ALPHABET, is_run_id, is_run_prefix
from tidemill.history.reader import open_reader
from tidemill.storage.places import ResultPlace
from tidemill.storage.templates import DEFAULT, NameTemplate

RUN = "k3f0000000"
COMMAND_EACH = 12
"""One in so many is said to a command; the others are quicker."""
COMMANDS: tuple[Callable[[str], list[str]], ...] = tuple(
    lambda text, words=words: [text if word == "?" else word for word in words]
    for words in (
        ["show", "?"], ["show", RUN, "--task", "?"], ["logs", "?"], ["logs", RUN, "--task", "?"], ["result", "?"],
        ["result", RUN, "?"], ["cancel", "?"], ["retry", "?"], ["retry", RUN, "--from", "?"], ["pause", "?"],
        ["resume", "?"], ["why", "?"], ["why", "nightly", "--at", "?"], ["next", "?"], ["next", "--tz", "?"],
        ["stats", "?"], ["graph", "?"], ["runs", "--flow", "?"], ["runs", "--since", "?"], ["show", "?@last"],
        ["prune", "--older-than", "?", "--dry-run"], ["prune", "--max-size", "?", "--dry-run"], ["?"],
        ["runs", "-n", "?"],
    )
)  # fmt: skip
_TEMPLATES = tuple(
    NameTemplate(text, "a test") for text in (DEFAULT, "{flow}/{task}", "{parameters[a]}/x", "{flow_run.name}.json")
)
_ACTING = frozenset("\x1b\x07\x9b\u202e\u2066\x00\x7f\r")


def a_name(random: Random) -> str:
    """Return what may stand for an id or a name."""
    kind = random.randrange(10)
    if kind < 3:
        name = "".join(random.choice(ALPHABET) for _ in range(random.randrange(1, 14)))
        return name if random.random() < 0.6 else name[:4] + random.choice("ilouAZ-_./\n\0 é\uff10") + name[4:]
    if kind == 3:
        return "".join(random.choice(string.printable) for _ in range(random.randrange(1, 12)))
    if kind == 4:
        return random.choice(("nightly", "last", "nightly@last", RUN, RUN[:3], "load")) + random.choice(
            ("", "", "\n", " ")
        )
    if kind == 5:
        return "/".join(
            random.choice(("..", ".", "", "etc", "passwd", "%2e%2e")) for _ in range(random.randrange(1, 7))
        )
    return a_text(random)


def give(random: Random, count: int, folder: Path) -> dict[str, Any]:
    """Give so many names at every edge; nothing is touched outside of the state directory, and nobody is surprised."""
    state = folder / "state"
    lab = _history(state)
    environment = {
        "TIDEMILL_STATE_DIR": str(state), "TIDEMILL_FLOWS_DIR": str(folder / "flows"), "PATH": os.environ["PATH"],
        "TIDEMILL_CONFIG": str(folder / "tidemill.toml"),
    }  # fmt: skip
    (folder / "flows").mkdir()
    (folder / "tidemill.toml").touch()
    met: Counter[str] = Counter()
    reader = open_reader(lab.address)
    with mock.patch.dict(os.environ, environment, clear=True):
        for command in COMMANDS * 2:  # whatever is imported late is imported now
            _say(command("nightly"), met)
            _say(command("no such"), met)
            _say(command("../\x1b"), met)
        met.clear()
        before = open_descriptors()
        with watching() as watch:
            for number in range(count):
                name = a_name(random)
                _judge(name, met)
                _fill(random, name, folder, met)
                _ask(reader, name, met)
                if number % COMMAND_EACH == 0:
                    _say(random.choice(COMMANDS)(name), met, watch)
        leaked = max(open_descriptors() - before, 0)
    reader.close()
    homes = (folder, *map(Path, os.environ.get("PYTHONPATH", "/nowhere").split(os.pathsep)))
    touched = outside(watch.touched, *homes, *_HOMES)
    return {
        "inputs": count, **met, "imports": dict(watch.imports), "files": touched[:20], "started": dict(watch.started),
        "leaked": leaked,
    }  # fmt: skip


_HOMES = (
    Path(os.__file__).parent,
    Path("/usr/share/zoneinfo"),
    Path("/proc"),
    Path(sys.prefix),
    Path(__file__).parents[3],
)


def _judge(name: str, met: Counter[str]) -> None:
    """What is taken for an id is one, and only what is safe becomes a path."""
    if is_run_id(name):
        met["ids"] += 1
    if (is_run_id(name) or is_run_prefix(name)) and not (set(name) <= set(ALPHABET) and 3 <= len(name) <= 10):
        met[f"crashes: {name!r} was taken for an id"] += 1
    paths = StatePaths(Path("/state"))
    for build in (paths.journal, paths.log, paths.run_results, paths.source):
        with suppress(TidemillError):
            path = os.path.normpath(build(name))
            if not path.startswith("/state/") or path.count("/") < 4:
                met[f"crashes: {name!r} led to {path}"] += 1


def _fill(random: Random, name: str, folder: Path, met: Counter[str]) -> None:
    """The name of a result stays below its folder, whatever the names in it are."""
    template = random.choice(_TEMPLATES)
    place = ResultPlace(
        name, RUN, name, 0, folder, run_name=name, task_run_name=name, parameters={"a": a_value(random)}
    )
    try:
        filled = template.fill(place, ".json", datetime.now(UTC))
    except TidemillError:
        met["names refused"] += 1
        return
    path = os.path.normpath(f"/results/{filled}")
    if not path.startswith("/results/") or "\0" in path or max(map(len, os.fsencode(path).split(b"/"))) > 240:
        met[f"crashes: the result of {name!r} would be {path}"] += 1


def _ask(reader: Any, name: str, met: Counter[str]) -> None:
    """The reader finds what bears the name, or says that nothing does."""
    for question in (
        lambda: reader.find_run(name), lambda: reader.run(name), lambda: reader.flow(name),
        lambda: reader.result(RUN, name),
        lambda: reader.runs(flow=name), lambda: reader.schedules(name),
    ):  # fmt: skip
        try:
            question()
        except TidemillError:
            met["not found"] += 1
        except Exception as error:
            met[f"crashes: {type(error).__name__}: {str(error)[:60]}"] += 1
        else:
            met["found"] += 1


def _say(words: list[str], met: Counter[str], watch: Watch | None = None) -> None:
    """A command ends with a code of the contract and a sentence, and nothing in it acts on a terminal."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(words)
    except BaseException as error:
        met[f"crashes: {type(error).__name__}: {error} for {words!r}"[:300]] += 1
        return
    told = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]
    met[f"commands that ended with {code}"] += 1
    if code not in range(7) or "TIDEMILL_DEBUG" in told[1] or "Traceback" in told[1]:
        met[f"crashes: {words!r}: {code} {told[1]}"[:400]] += 1
    if acting := _ACTING & set("".join(told)):
        met[f"crashes: {words!r} passed on {acting!r}"[:300]] += 1


def _history(state: Path) -> Lab:
    """Make a history with a flow that has run."""
    state.mkdir(mode=0o700)
    lab = Lab(state / "history.db", state)
    key = lab.add_run(RUN)
    at = 1_700_000_000_000_000
    lab.record(key, RUN, RunStarted(at, 1, 2, "b"), TaskEnded(at, 0, "load", "completed", 1), RunEnded(at, "completed"))
    return lab
