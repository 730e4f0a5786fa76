"""Journal lines: understood in this process, and ingested by the real recorder into a real history beside others."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from chaos.fuzzing.nonsense import a_text, a_value, as_json, deep, spoiled
from chaos.fuzzing.watch import open_descriptors, watching
from history_lab import NOON, SECOND, Lab
from tidemill.domain.events import EVENTS
from tidemill.domain.identifiers import new_run_id
from tidemill.history.recorder import Recorder
from tidemill.journal.format import Beside, DamageError, Unknown, decode
from tidemill.journal.writer import LINE_LIMIT

PIECE = 2000
"""Lines of one hostile journal."""
PATIENCE = 120.0
STATES = ("completed", "failed", "crashed", "cached", "running", "no such state", "", "Completed")
VICTIMS = ("v1ct1mdead", "v1ct1m0000", "v1ct1mch1d")
"""Runs that nobody else may write about: one that ended, one that goes on, and a run within it."""


def a_line(random: Random, *uids: str) -> bytes:
    """Return a line that is an event, nearly one, or nothing like it; *uids* are runs it may tell of."""
    kind = random.randrange(20)
    if kind < 8:
        return as_json(_an_event(random, uids))
    if kind < 13:
        return spoiled(random, as_json(_an_event(random, uids)))
    if kind < 15:
        return as_json([random.choice([*EVENTS, "of_subflow", "beside"]), *a_value_list(random)])
    if kind < 17:
        return as_json(["beside", random.choice((0, 7, -1, 2**40, 2**70, None)), random.choice((0, 5, 300, 2**31, -3))])
    if kind == 17:
        return deep(random)[: 60_000 if random.random() < 0.1 else 900]
    return random.randbytes(random.randrange(120)) if kind == 18 else as_json(a_value(random))


def a_value_list(random: Random) -> list[Any]:
    """Return some values."""
    return [a_value(random) for _ in range(random.randrange(9))]


def _an_event(random: Random, uids: tuple[str, ...]) -> list[Any]:
    """Return an event whose fields are of the right kind, but for one or two."""
    name = random.choice([name for name in EVENTS if name != "run_ended"] if random.random() < 0.999 else ["run_ended"])
    event = [name, *_fields(random, name, uids)]
    if random.random() < 0.3 and len(event) > 1:
        event[random.randrange(1, len(event))] = a_value(random)
    if random.random() < 0.05:
        event.append(a_value(random))
    if random.random() < 0.45:
        return ["of_subflow", random.choice(uids) if random.random() < 0.8 else a_text(random), *event]
    return event


def _fields(random: Random, name: str, uids: tuple[str, ...]) -> list[Any]:
    at = random.choice((NOON, NOON + random.randrange(10**9), 0, 2**61, 2**62, -1))
    error = [a_text(random), a_text(random), random.choice((None, a_text(random)))]
    result = ["local", a_text(random), random.choice((0, 3, -1, 2**62)), a_text(random), "json", a_text(random), None]
    index, word, uid = random.choice((0, 1, 2, 99, -1, 2**40, 2**62)), a_text(random), random.choice(uids)
    return {
        "run_started": [at, random.choice((1, 2**31, 2**63 - 1, -5)), 3, word],
        "run_ordered": [at, word, word, "manual", None, 1, uid, {"a": a_value(random)}, word, {word: word}, None],
        "run_named": [at, word],
        "subflow_started": [at, uid, index, word, {word: a_value(random)}, word],
        "task_started": [at, index, word, random.choice((1, 2, 0, -1, 2**62)), at, word, uid],
        "task_retrying": [at, index, word, 1, at, error],
        "task_ended": [at, index, word, random.choice(STATES), 1, at, error, result, word, uid],
        "run_retrying": [at, random.choice((1, 2**62)), at, error],
        "run_noted": [at, word],
        "run_ended": [at, random.choice(STATES), error, result, random.choice((True, False))],
    }[name]


def understand(random: Random, count: int) -> dict[str, Any]:
    """Decode so many lines; each is an event, a pointer, something of a later version, or damage."""
    met: Counter[str] = Counter()
    with watching() as watch:
        for _ in range(count):
            line = a_line(random, *VICTIMS)
            try:
                found = decode(line)
            except DamageError:
                met["damage"] += 1
            except Exception as error:
                met[f"crashes: {type(error).__name__}: {error}: {line[:120]!r}"] += 1
            else:
                met["events" if isinstance(found, tuple) else "passed over"] += 1
                if not isinstance(found, tuple | Beside | Unknown):
                    met[f"crashes: {found!r}"] += 1
    return {"inputs": count, **met, "imports": dict(watch.imports), "files": dict(watch.touched)}


def ingest(random: Random, count: int, folder: Path) -> dict[str, Any]:
    """Have the real recorder read hostile journals of runs, and look after each at the runs of others."""
    lab = Lab(folder / "history.db", folder)
    victims = _victims(lab)
    lab.pen.close()
    recorder = Recorder(lab.database)
    recorder.start()
    met: Counter[str] = Counter()
    try:
        _read(recorder, random, folder, 50)  # whatever is imported late is imported now
        before, descriptors = _rows(lab, victims), open_descriptors()
        with watching() as watch:
            while met["inputs"] < count:
                met.update(_read(recorder, random, folder, PIECE))
                if recorder.problem is not None:
                    met[f"crashes: {recorder.problem}"] += 1
                    break
                if _rows(lab, victims) != before:
                    met["crashes: another run's history was written"] += 1
                    break
        leaked = max(open_descriptors() - descriptors, 0)
    finally:
        recorder.stop()
    rows = lab.read(lambda reader: len(reader.runs(limit=10**6)))
    return {**met, "runs in the history": rows, "imports": dict(watch.imports), "leaked": leaked}


def _read(recorder: Recorder, random: Random, folder: Path, count: int) -> Counter[str]:
    """Write one hostile journal, have it read to its end, and count the lines that were."""
    from tidemill.history.records import NewRun

    uid = new_run_id()
    path = folder / f"{uid}.journal"
    lines = [a_line(random, uid, *VICTIMS, "n0such0run", new_run_id()).replace(b"\n", b" ") for _ in range(count)]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    held = [as_json(_an_event(random, (uid, *VICTIMS)))[:LINE_LIMIT] for _ in range(3)]
    Path(f"{path}.beside").write_bytes(b"\n".join([*held, random.randbytes(300)]))
    key = recorder.call(lambda writer: writer.add_run(NewRun(uid, "hostile", queued_at=NOON)))
    recorder.follow(key, uid, path)
    offset = 0
    while isinstance(answer := _offset(recorder, key), int) and answer > offset:
        offset = answer  # a line that is longer than any may end a look before the end
    if answer != offset:
        return Counter({"inputs": count, f"crashes: {answer!r} at {path}": 1})
    recorder.unfollow(key)
    read = path.read_bytes()[:offset].count(b"\n")
    path.unlink()
    Path(f"{path}.beside").unlink()
    return Counter({"inputs": read, "journals": 1})


def _offset(recorder: Recorder, key: int) -> Any:
    """Have a journal read, and return how far; or why that is not known."""
    done, answers = threading.Event(), []

    def told(answer: Any) -> None:
        answers.append(answer)
        done.set()

    recorder.submit(
        lambda writer: writer.row("SELECT journal_offset FROM runs WHERE id = ?", (key,))[0], told, reading=key
    )
    return answers[0] if done.wait(PATIENCE) else f"the recorder stands still: {recorder.problem}"


def _victims(lab: Lab) -> list[int]:
    from tidemill.domain.events import OfSubflow, RunEnded, RunStarted, SubflowStarted, TaskEnded, TaskStarted

    ended, going, child = VICTIMS
    keys = [lab.add_run(ended), lab.add_run(going)]
    begun = RunStarted(NOON, 1, 2, "boot")
    task = TaskEnded(NOON + SECOND, 0, "mine", "completed", 1)
    lab.record(keys[0], ended, begun, TaskStarted(NOON, 0, "mine", 1), task, RunEnded(NOON + SECOND, "completed"))
    within = OfSubflow(child, SubflowStarted(NOON, going, 0, "inner", {}))
    lab.record(keys[1], going, begun, TaskStarted(NOON, 0, "mine", 1), within)
    (key,) = lab.write(lambda writer: writer.row("SELECT id FROM runs WHERE uid = ?", (child,)))
    return [*keys, key]


def _rows(lab: Lab, victims: list[int]) -> list[str]:
    """Return all that the history has of the victims, as text."""
    return sorted(_all_rows(lab, victims))


def _all_rows(lab: Lab, victims: list[int]) -> Iterator[str]:
    import sqlite3
    from contextlib import closing

    listed = ",".join(map(str, victims))
    with closing(sqlite3.connect(f"file:{lab.address}?mode=ro", uri=True)) as connection:
        for table, column in (
            ("runs", "id"), ("runs", "root_id"), ("runs", "parent_id"), ("task_runs", "run_id"), ("attempts", "run_id"),
            ("results", "run_id"), ("run_events", "run_id"),
        ):  # fmt: skip
            for row in connection.execute(f"SELECT * FROM {table} WHERE {column} IN ({listed})"):
                yield json.dumps([table, column, *row], default=str)
