"""The program with a history and a daemon made of plain values, on a clock that stands still."""

import json
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from tidemill.cli.invocation import Invocation
from tidemill.cli.main import main
from tidemill.config.settings import Places, Settings
from tidemill.domain.errors import DaemonNotRunning, NotFound

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        return json.loads(self.out)


class PlainReader:
    """A history of plain values, in the shape that the real reader gives."""

    def __init__(self):
        self.flow_records: list[dict[str, Any]] = []
        self.details: dict[str, dict[str, Any]] = {}
        self.results: dict[tuple[str, str | None], dict[str, Any]] = {}
        self.moments: list[dict[str, Any]] = []
        self.schedule_records: list[dict[str, Any]] = []
        self.backfills: dict[str, dict[str, Any]] = {}
        """Moments as ISO 8601 and what a backfill made for them."""
        self.asked: list[dict[str, Any]] = []
        self.zone: str | None = "UTC"

    def flows(self):
        return self.flow_records

    def flow(self, name):
        for record in self.flow_records:
            if record["name"] == name:
                return record
        raise NotFound(f"there is no flow {name!r}")

    def runs(self, flow=None, states=(), since=None, limit=20, *, top=False):
        self.asked.append({"flow": flow, "states": tuple(states), "since": since, "limit": limit, "top": top})
        found = [run for run in self.details.values() if flow in (None, run["flow"]) and not (top and run["root"])]
        return [run for run in found if not states or run["state"] in states][:limit]

    def find_run(self, reference):
        flow = reference.removesuffix("last").removesuffix("@")
        if reference.endswith("last"):
            found = [uid for uid, run in self.details.items() if flow in ("", run["flow"])]
        else:
            found = [uid for uid in self.details if uid.startswith(reference)]
        if not found:
            raise NotFound(f"there is no run {reference}")
        return found[0]

    def run(self, uid):
        if uid not in self.details:
            raise NotFound(f"there is no run {uid}")
        return self.details[uid]

    run_detail = run

    def callers(self, root):
        return {uid: run["parent"] for uid, run in self.details.items() if run["root"] == root}

    def progress(self, uid, limit):
        run = self.details[uid]
        states = [task["state"] for task in run["tasks"]]
        return {**run, "counts": {state: states.count(state) for state in states}, "tasks": run["tasks"][-limit:]}

    def result(self, uid, task=None):
        if (uid, task) not in self.results:
            raise NotFound(f"run {uid} has no result of a task {task}")
        return self.results[uid, task]

    def occurrence(self, flow, at):
        return next((row for row in self.moments if datetime.fromisoformat(row["at"]) == at), None)

    def occurrences(self, flow, around, limit=3):
        return self.moments

    def backfilled(self, flow, at):
        return self.backfills.get(at.astimezone(UTC).isoformat())

    def backfill_runs(self, first, last):
        return [run for uid, run in self.details.items() if first <= uid <= last]

    def backfill_states(self, first, last):
        states = [run["state"] for run in self.backfill_runs(first, last)]
        return {state: states.count(state) for state in states}

    def timezone(self):
        return self.zone

    def schedules(self, flow):
        return self.schedule_records

    def counts(self):
        return {"flows": 2, "paused": 1, "active_runs": 3, "queued_runs": 4, "errors": []}

    def close(self):
        pass


class PlainClient:
    """A daemon that answers from a table; without one, nobody is there."""

    def __init__(self, answers=None):
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def request(self, verb, *, timeout=None, on_progress=None, **args):
        self.asked.append((verb, args))
        if self.answers is None:
            raise DaemonNotRunning("the daemon is not running; start it with: tidemill start")
        answer = self.answers[verb]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self):
        pass


class TalkingClient:
    """A daemon that says one prepared thing after the other; an error in its place is raised."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.sent = []

    def send(self, verb, **args):
        self.sent.append((verb, args))

    def answers(self):
        yield self.poll(0)

    def poll(self, timeout):
        message = self.messages.pop(0) if self.messages else None
        if isinstance(message, BaseException):
            raise message
        return message

    def close(self):
        pass


@pytest.fixture(autouse=True)
def plain_clock(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("NO_COLOR", "1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def reader():
    return PlainReader()


@pytest.fixture
def daemon():
    return PlainClient()


@pytest.fixture
def invocation(tmp_path, reader, daemon):
    settings = Settings(places=Places(flows_dir=tmp_path / "flows", state_dir=tmp_path / "state"))
    made = Invocation(now=lambda: NOW)
    made.__dict__.update(
        reader=reader, client=daemon, _loaded=(settings, {"places.flows_dir": "option", "places.state_dir": "file"})
    )
    made.paths.database.parent.mkdir()
    made.paths.database.touch()
    return made


@pytest.fixture
def tidemill(capsys, invocation):
    """Run the program in this process; the answer is how it ended."""

    def run(*arguments):
        code = main(list(arguments), invocation)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


@pytest.fixture
def talk(invocation):
    def prepare(*messages):
        client = invocation.__dict__["client"] = TalkingClient(*messages)
        return client

    return prepare


def schedule(kind="cron", expression="0 2 * * *", timezone=None):
    return {
        "kind": kind,
        "expression": expression,
        "timezone": timezone,
        "anchor": None,
        "jitter": 0.0,
        "parameters": {},
    }


@pytest.fixture
def add_flow(reader):
    def add(name, *schedules, **changes):
        declared = [schedule(*given) if isinstance(given, tuple) else given for given in schedules]
        manifest = {
            "name": name,
            "style": "graph",
            "line": 7,
            "tasks": [],
            "schedules": declared,
            "catchup": "latest",
            "overlap": "skip",
            "grace": 90.0,
            **changes.pop("manifest", {}),
        }
        record = {
            "name": name,
            "file": f"{name}.py",
            "description": "What it does.",
            "tags": ["night"],
            "schedules": [
                {key: given[key] for key in ("kind", "expression", "timezone")} | {"next": None} for given in declared
            ],
            "next_run_at": None,
            "paused": False,
            "parameters": [],
            "last_run": None,
            "error": None,
            "active": True,
            "manifest": manifest,
            **changes,
        }
        reader.flow_records.append(record)
        return record

    return add


@pytest.fixture
def add_run(reader):
    def add(uid, flow="nightly", **changes):
        record = {
            "id": uid,
            "name": None,
            "flow": flow,
            "state": "completed",
            "trigger": "schedule",
            "scheduled_for": "2026-11-22T02:00:00.000000+00:00",
            "queued_at": "2026-11-22T02:00:00.000000+00:00",
            "started_at": "2026-11-22T02:00:00.010000+00:00",
            "finished_at": "2026-11-22T02:00:03.510000+00:00",
            "duration": 3.5,
            "attempt": 1,
            "parent": None,
            "root": None,
            "parent_task": None,
            "parameters": {},
            "error": None,
            "version": "0123456789abcdef",
            "tasks": [],
            "events": [],
            "failure": None,
            "note": None,
            "result": None,
            **changes,
        }
        reader.details[uid] = record
        return record

    return add


def make_task(name, index=0, **changes):
    return {
        "name": name,
        "run_name": None,
        "index": index,
        "state": "completed",
        "attempts": 1,
        "started_at": "2026-11-22T02:00:01.000000+00:00",
        "finished_at": "2026-11-22T02:00:02.000000+00:00",
        "duration": 1.0,
        "error": None,
        "result": None,
        "subflow": None,
        "failed_attempts": [],
        **changes,
    }


@pytest.fixture
def task():
    return make_task


@pytest.fixture
def moment():
    def make(at, outcome, **changes):
        return {
            "at": at,
            "outcome": outcome,
            "run": None,
            "reason": "",
            "coalesced_into": None,
            "until": None,
            "count": 1,
            **changes,
        }

    return make
