"""What a reader answers, on SQLite and on PostgreSQL."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from history_lab import NOON, SECOND, Lab
from tidemill.domain.errors import HistoryError, NotFound
from tidemill.domain.events import RunEnded, RunStarted, TaskEnded, TaskStarted
from tidemill.domain.manifests import FlowManifest, ParameterManifest, Problem, TaskManifest
from tidemill.domain.outcomes import Outcome
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.schedules import cron, every
from tidemill.domain.states import State
from tidemill.domain.times import from_micros, iso
from tidemill.history import queries
from tidemill.history.records import NewOccurrence, NewRun

RUN_FIELDS = {
    "id", "flow", "state", "trigger", "scheduled_for", "queued_at", "started_at", "finished_at", "duration",
    "attempt", "parent", "root", "parameters", "error", "version", "name",
}  # fmt: skip
TASK_FIELDS = {"name", "index", "state", "attempts", "started_at", "finished_at", "duration", "error", "result"}
TASK_FIELDS |= {"run_name", "subflow"}
FLOW_FIELDS = {
    "name", "file", "description", "tags", "schedules", "next_run_at", "paused", "parameters", "last_run", "error",
}  # fmt: skip


def minutes(number: float) -> int:
    return NOON + int(number * 60 * SECOND)


def save_flow(lab: Lab, name: str = "nightly", **fields) -> list[int]:
    def work(w):
        w.add_version("abc123def456", "f" * 64, {"/f/a.py": "f" * 64})
        w.save_file("/f/a.py", "a.py", [], [])
        return [row.id for row in w.save_flow(FlowManifest(name, "graph", **fields), "/f/a.py", "abc123def456", NOON)]

    return lab.write(work)


def ended(lab: Lab, uid: str, state: State, at: int = NOON, **fields) -> int:
    run_id = lab.add_run(uid, queued_at=at, **fields)
    lab.write(lambda w: w.end_run(run_id, state, None, at + 1))
    return run_id


def uids(runs) -> list[str]:
    return [run["id"][0] for run in runs]


# Flows


def test_a_flow_has_the_fields_of_the_contract(lab):
    save_flow(
        lab,
        description="Every night",
        tags=("etl",),
        parameters=(ParameterManifest("n", "int", False, 3),),
        schedules=(cron("0 2 * * *", timezone="Europe/Berlin"),),
    )
    ended(lab, "k3f0000000", State.FAILED)
    lab.write(lambda w: w.set_paused("nightly", NOON))

    (flow,) = lab.read(lambda r: r.flows())

    assert set(flow) >= FLOW_FIELDS
    assert (flow["name"], flow["file"], flow["path"], flow["paused"]) == ("nightly", "a.py", "/f/a.py", True)
    assert flow["schedules"] == [{"kind": "cron", "expression": "0 2 * * *", "timezone": "Europe/Berlin", "next": None}]
    assert flow["parameters"] == [{"name": "n", "type": "int", "required": False, "default": 3}]
    assert flow["last_run"] == {"id": "k3f0000000", "state": "failed", "started_at": None, "duration": None}
    assert flow["manifest"]["tags"] == ["etl"]
    json.dumps(flow)


def test_a_broken_file_shows_its_error_and_keeps_its_flow(lab):
    save_flow(lab)
    lab.write(lambda w: w.save_file("/f/a.py", "a.py", [Problem("invalid syntax", 7), Problem("more")], []))
    lab.write(lambda w: w.save_file("/f/new.py", "new.py", [Problem("ended the process")], []))

    known, unknown = lab.read(lambda r: r.flows())

    assert (known["name"], known["error"]) == ("nightly", "a.py:7: invalid syntax (and 1 more)")
    assert (unknown["name"], unknown["file"], unknown["error"]) == (None, "new.py", "new.py: ended the process")


def test_a_flow_that_left_is_found_by_name_only(lab):
    save_flow(lab)
    lab.write(lambda w: w.remove_flows(["nightly"], NOON))

    assert lab.read(lambda r: r.flows()) == []
    assert lab.read(lambda r: r.flow("nightly"))["active"] is False
    with pytest.raises(NotFound, match="no flow 'nobody'"):
        lab.read(lambda r: r.flow("nobody"))


def test_the_schedules_of_a_flow_tell_how_far_they_are_accounted_for(lab):
    save_flow(lab, schedules=(every(minutes=5), cron("0 2 * * *")))
    lab.write(lambda w: w.sync_schedules("nightly", [every(minutes=5)], minutes(1)))

    kept, gone = lab.read(lambda r: r.schedules("nightly"))

    assert (kept["kind"], kept["accounted_until"], kept["removed_at"]) == ("every", iso(NOON), None)
    assert (gone["expression"], gone["removed_at"]) == ("0 2 * * *", iso(minutes(1)))


def test_counts_tell_what_goes_on(lab):
    save_flow(lab)
    save_flow(lab, "paused")
    lab.write(lambda w: w.set_paused("paused", NOON))
    for number, state in enumerate(State):
        lab.add_run(f"{number:010}", state=state)

    counts = lab.read(lambda r: r.counts())

    assert counts == {"flows": 2, "paused": 1, "active_runs": 4, "queued_runs": 2, "errors": []}


# Lists of runs


def test_runs_come_newest_first_with_the_fields_of_the_contract(lab):
    save_flow(lab)
    lab.add_run("aaa0000000")
    lab.add_run(
        "bbb0000000",
        queued_at=minutes(1),
        trigger="schedule",
        scheduled_for=minutes(1),
        version="abc123def456",
        parameters={"n": 1},
        parent="aaa0000000",
    )

    newest, oldest = lab.read(lambda r: r.runs())

    assert set(newest) == RUN_FIELDS
    assert newest["parameters"] == {"n": 1}
    assert (newest["id"], newest["parent"], newest["version"]) == ("bbb0000000", "aaa0000000", "abc123def456")
    assert newest["scheduled_for"] == "2023-11-14T22:14:20.000000+00:00"
    assert (oldest["id"], oldest["duration"], oldest["error"]) == ("aaa0000000", None, None)


def test_runs_are_chosen_by_flow_state_and_time(lab):
    ended(lab, "a000000000", State.COMPLETED, minutes(0))
    ended(lab, "b000000000", State.FAILED, minutes(1), flow="other")
    ended(lab, "c000000000", State.CRASHED, minutes(2))
    ended(lab, "d000000000", State.FAILED, minutes(3))
    lab.add_run("e000000000", queued_at=minutes(4))
    since = from_micros(minutes(2))

    def listed(**chosen) -> list[str]:
        return uids(lab.read(lambda r: r.runs(**chosen)))

    assert listed() == ["e", "d", "c", "b", "a"]
    assert listed(limit=2) == ["e", "d"]
    assert listed(flow="nightly") == ["e", "d", "c", "a"]
    assert listed(flow="nobody") == []
    assert listed(states=("failed",)) == ["d", "b"]
    assert listed(states=("failed", "crashed", "completed")) == ["d", "c", "b", "a"]
    assert listed(states=("failed", "crashed"), limit=1) == ["d"]
    assert listed(flow="nightly", states=("failed", "pending")) == ["e", "d"]
    assert listed(since=since) == ["e", "d", "c"]
    assert listed(flow="nightly", states=("crashed", "completed"), since=since) == ["c"]


def test_a_word_that_is_no_state_is_refused(lab):
    with pytest.raises(ValueError, match="dancing"):
        lab.read(lambda r: r.runs(states=("dancing'; --",)))


def plan_of(lab: Lab, sql: str) -> list[str]:
    values = {"limit": 20, "flow_id": 1, "since": 0, "prefix": "abc", "behind": "abd", "root": "abc"}
    return lab.read(lambda r: [row[3] for row in r._reading.rows(f"EXPLAIN QUERY PLAN {sql}", values)])


@pytest.mark.parametrize("states", [(), ("failed",), ("failed", "crashed"), ("completed",)])
@pytest.mark.parametrize("of_flow", [False, True])
@pytest.mark.parametrize("since", [False, True])
@pytest.mark.parametrize("top", [False, True])
def test_every_list_walks_an_index_without_sorting_the_history(sqlite_lab, states, of_flow, since, top):
    plan = plan_of(sqlite_lab, queries.runs(states, of_flow=of_flow, since=since, top=top))

    if states and states != ("completed",):
        walked = ["runs_by_flow_state" if of_flow else "runs_by_state"] * len(states)
    else:
        by = "flow" if of_flow else "time"
        walked = [f"runs_by_{by}"] if top else [f"runs_by_{by}", f"children_by_{by}"]
    walks = [step for step in plan if " runs " in step]
    assert [step.split(" INDEX ")[1].split(" ")[0] for step in walks] == walked
    # The one sort is over the few rows that were found.
    assert sum("TEMP B-TREE" in step for step in plan) == 1


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (queries.COUNT_LIVE, "runs_by_state"),
        (queries.LAST_RUN, "runs_by_time"),
        (queries.LAST_RUN_OF_FLOW, "runs_by_flow"),
        (queries.LAST_CHILD_OF_FLOW, "children_by_flow"),
        (queries.RUNS_BY_PREFIX, "sqlite_autoindex_runs_1"),
        (queries.CALLERS, "sqlite_autoindex_runs_1"),
    ],
)
def test_what_is_asked_often_never_looks_at_every_run(sqlite_lab, sql, index):
    plan = plan_of(sqlite_lab, sql)

    assert f"INDEX {index} " in f"{plan[0]} "
    assert not any(step.startswith("SCAN") and "INDEX" not in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)


def test_the_newest_run_of_each_flow_is_found_in_an_index(sqlite_lab):
    plan = plan_of(sqlite_lab, f"{queries.FLOWS} WHERE f.active = 1 ORDER BY f.name")

    assert [step for step in plan if step.startswith("SEARCH l ")] == ["SEARCH l USING INDEX runs_by_flow (flow_id=?)"]


# Finding one


def test_a_run_is_found_by_the_beginning_of_its_id(lab):
    lab.add_run("abc1000000")
    lab.add_run("abc2000000")
    lab.add_run("xyz0000000", flow="other", queued_at=minutes(-1))

    def find(reference: str) -> str:
        return lab.read(lambda r: r.find_run(reference))

    assert find("abc1000000") == find("ABC1") == "abc1000000"
    assert find("xyz") == find("other@last") == "xyz0000000"
    assert find("last") == find("nightly@last") == "abc2000000"


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("abc", r"abc could be abc1000000 \(nightly, pending\), abc2000000 \(nightly, pending\); type more of it"),
        ("ab", "is no run: give three or more"),
        ("@last", "there is no flow ''"),
        ("../../etc", "is no run"),
        ("%", "is no run"),
        ("zzz", "there is no run zzz"),
        ("nobody@last", "no flow 'nobody'"),
        ("idle@last", "idle has never run; start it with: tidemill run idle"),
    ],
)
def test_a_run_that_is_not_found_is_told_why(lab, reference, sentence):
    save_flow(lab, "idle")
    lab.add_run("abc1000000")
    lab.add_run("abc2000000")

    with pytest.raises(NotFound, match=sentence):
        lab.read(lambda r: r.find_run(reference))


@pytest.mark.parametrize("name", ["\udcff", "a\ud800", "a\0b"])
def test_a_name_that_no_database_holds_finds_nothing(lab, name):
    lab.add_run("abc1000000")
    assert lab.read(lambda r: r.runs(flow=name)) == []
    for question in (lambda r: r.flow(name), lambda r: r.run(name), lambda r: r.find_run(f"{name}@last")):
        with pytest.raises(NotFound, match="there is no"):
            lab.read(question)


def test_in_an_empty_history_there_is_no_last_run(lab):
    with pytest.raises(NotFound, match="nothing has run yet"):
        lab.read(lambda r: r.find_run("last"))
    with pytest.raises(NotFound, match="there is no run abc1000000"):
        lab.read(lambda r: r.run_detail("abc1000000"))


def test_a_run_is_told_with_all_its_tasks(lab):
    run_id = lab.add_run("k3f0000000", queued_at=NOON - SECOND)
    error = ErrorInfo("ValueError", "no\nway", "Traceback…")
    lab.record(
        run_id,
        "k3f0000000",
        RunStarted(NOON, 1, 2, "b"),
        TaskStarted(NOON, 0, "a", 1),
        TaskEnded(
            NOON + SECOND, 0, "a", "completed", 1, NOON, None, ResultInfo("history", None, 2, "42", "json", "42")
        ),
        TaskEnded(NOON + 2 * SECOND, 1, "b", "failed", 1, NOON + SECOND, error),
        TaskEnded(NOON + 2 * SECOND, 2, "c", "upstream_failed", 0),
        RunEnded(NOON + 3 * SECOND, "failed", error, ResultInfo("file", "/r", 9, "<x>", "cloudpickle", None)),
    )

    run = lab.read(lambda r: r.run_detail("k3f0000000"))

    assert set(run) >= RUN_FIELDS | {"tasks", "events"}
    assert all(set(task) >= TASK_FIELDS for task in run["tasks"])
    assert (run["duration"], run["error"]) == (3.0, "ValueError: no")
    assert run["failure"] == {"type": "ValueError", "message": "no\nway", "traceback": "Traceback…"}
    assert run["result"] == {"handler": "file", "location": "/r", "size": 9, "preview": "<x>"}
    first, second, third = run["tasks"]
    assert first["result"] == {"handler": "history", "location": None, "size": 2, "preview": "42"}
    assert (first["duration"], second["duration"], third["duration"]) == (1.0, 1.0, None)
    assert second["error"]["message"] == "no\nway"
    assert run["events"][-1] == {"at": iso(NOON + 3 * SECOND), "state": "failed", "note": "ValueError: no"}
    json.dumps(run)


# Results


def results(lab: Lab, *infos: ResultInfo, own: ResultInfo | None = None, names: Sequence[str] = "abc") -> None:
    run_id = lab.add_run("k3f0000000")
    tasks = [
        TaskEnded(NOON, index, name, "completed", 1, NOON, None, info)
        for index, (name, info) in enumerate(zip(names, infos, strict=False))
    ]
    lab.record(run_id, "k3f0000000", *tasks, RunEnded(NOON, "completed", None, own))


def inline(value) -> ResultInfo:
    text = json.dumps(value)
    return ResultInfo("history", None, len(text), repr(value), "json", text)


def result(lab: Lab, task: str | None = None):
    return lab.read(lambda r: r.result("k3f0000000", task))


def test_a_result_is_found_by_name_by_number_and_for_the_run_itself(lab):
    results(lab, inline([1, {"ä": None}]), inline(False), own=inline("all"))

    assert result(lab)["value"] == "all"
    assert result(lab, "a")["value"] == [1, {"ä": None}]
    assert result(lab, "1")["value"] is False
    assert (result(lab, "b")["handler"], result(lab, "b")["preview"]) == ("history", "False")


def test_the_only_result_is_the_one_that_is_meant(lab):
    results(lab, inline(7))

    assert result(lab)["value"] == 7


def test_a_mapped_task_answers_with_what_its_items_returned(lab):
    whole = ResultInfo("items", None, 0, "11 items", "items", "11")
    infos = [inline(n * n) for n in range(11)]
    results(lab, *reversed(infos), whole, names=[*(f"load[{n}]" for n in reversed(range(11))), "load"])

    assert result(lab, "load")["value"] == [n * n for n in range(11)]
    assert result(lab, "load[3]")["value"] == 9


def test_of_items_that_are_no_json_there_is_no_list(lab):
    pickled = ResultInfo("history", None, 3, "<Frame>", "cloudpickle", "abc")
    results(lab, inline(1), pickled, ResultInfo("items", None, 0, "2 items", "items", "2"), names=["a[0]", "a[1]", "a"])

    assert (result(lab, "a")["value"], result(lab, "a")["preview"]) == (None, "2 items")


def test_a_large_result_is_read_from_its_file(lab, tmp_path):
    large = tmp_path / "large.json"
    large.write_text(json.dumps(["ö"] * 30_000))
    results(lab, ResultInfo("file", str(large), large.stat().st_size, "['ö', …", "json", None))

    assert result(lab)["value"] == ["ö"] * 30_000
    large.write_text("{damaged")
    assert result(lab)["value"] is None
    large.unlink()
    assert (result(lab)["value"], result(lab)["preview"]) == (None, "['ö', …")


def test_a_pickle_is_never_opened(lab):
    import base64
    import pickle

    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    value = base64.b64encode(pickle.dumps(Bomb())).decode()
    results(lab, ResultInfo("history", None, 99, "<Bomb>", "cloudpickle", value))

    assert (result(lab)["value"], result(lab)["preview"]) == (None, "<Bomb>")


@pytest.mark.parametrize(
    ("names", "task", "sentence"),
    [
        ("", None, "run k3f0000000 has no results"),
        ("ab", None, "returned nothing itself; name a task of it: a, b"),
        ("ab", "c", "run k3f0000000 has no task c; it has a, b"),
        ("aa", "a", "has 2 results of a; name one by its number: 0, 1"),
    ],
)
def test_a_result_that_is_not_there_is_told_with_those_that_are(lab, names, task, sentence):
    results(lab, *map(inline, range(len(names))), names=names)

    with pytest.raises(NotFound, match=sentence):
        result(lab, task)


def test_a_graph_answers_with_its_only_final_task(lab):
    graph = tuple(TaskManifest(name, index, depends) for index, (name, depends) in enumerate([("a", ()), ("b", (0,))]))
    save_flow(lab, tasks=graph)
    results(lab, inline("first"), inline("last"), names="ab")

    assert result(lab)["value"] == "last"
    assert result(lab)["task"] == "b"


def test_the_items_of_a_mapped_task_are_no_ends_of_a_graph(lab):
    save_flow(lab, tasks=(TaskManifest("a", 0), TaskManifest("b", 1, (0,))))
    results(lab, inline("first"), inline("last"), inline("item"), inline("item"), names=("a", "b", "a[0]", "a[1]"))

    assert (result(lab)["task"], result(lab)["value"]) == ("b", "last")
    with pytest.raises(NotFound, match=r"has no task c; it has a, b$"):
        result(lab, "c")


@pytest.mark.parametrize("needs", [(), (0, 1)])
def test_a_graph_of_several_ends_or_that_has_changed_since_wants_a_task_named(lab, needs):
    names = "abc"[: 2 + bool(needs)]
    save_flow(
        lab, tasks=tuple(TaskManifest(name, number, needs if name == "c" else ()) for number, name in enumerate(names))
    )
    results(lab, inline(1), inline(2), names="ab")

    with pytest.raises(NotFound, match="returned nothing itself; name a task of it: a, b"):
        result(lab)


def test_a_task_or_run_without_a_result_says_how_it_stands(lab):
    run_id = lab.add_run("k3f0000000")
    failed = TaskEnded(NOON, 0, "a", "failed", 1, NOON, ErrorInfo("ValueError", "no", ""), None)
    lab.record(run_id, "k3f0000000", RunStarted(NOON, 1, 1, "boot"), failed)

    with pytest.raises(NotFound, match="the task a of run k3f0000000 is failed and has no result"):
        result(lab, "a")
    with pytest.raises(NotFound, match="run k3f0000000 is running and has returned nothing yet"):
        result(lab)


def test_the_zone_of_schedules_that_name_none_is_kept(lab, monkeypatch):
    assert lab.read(lambda reader: reader.timezone()) is None

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    save_flow(lab)

    assert lab.read(lambda reader: reader.timezone()) == "Asia/Kolkata"


# The ledger

FIVE = every(minutes=5)


def at(number: float) -> datetime:
    """A moment on the grid of every five minutes."""
    return datetime(2023, 11, 14, 22, 0, tzinfo=UTC) + timedelta(minutes=number)


def micros(number: float) -> int:
    return int(at(number).timestamp()) * SECOND


def add(lab: Lab, schedule_id: int, number: float, outcome: Outcome, **fields) -> None:
    row = NewOccurrence(schedule_id, micros(number), outcome, f"because {outcome}", NOON, **fields)
    assert lab.write(lambda w: w.add_occurrence(row))


def test_a_moment_tells_its_run_and_its_reason(lab):
    (schedule_id,) = save_flow(lab, schedules=(FIVE,))
    row = NewOccurrence(schedule_id, micros(0), Outcome.LATE, "it was late", NOON)
    lab.write(lambda w: w.add_due_run(row, NewRun("k3f0000000", "nightly", NOON)))
    add(lab, schedule_id, -5, Outcome.COALESCED, coalesced_into=micros(0))

    late = lab.read(lambda r: r.occurrence("nightly", at(0)))
    coalesced = lab.read(lambda r: r.occurrence("nightly", at(-5)))

    assert (late["flow"], late["at"], late["outcome"]) == ("nightly", "2023-11-14T22:00:00.000000+00:00", "late")
    assert (late["run"], late["reason"]) == ("k3f0000000", "it was late")
    assert late["schedule"] == {"kind": "every", "expression": FIVE.expression, "timezone": None}
    assert (coalesced["run"], coalesced["coalesced_into"]) == ("k3f0000000", late["at"])


def test_a_range_answers_for_its_due_moments_and_for_no_other_time(lab):
    (schedule_id,) = save_flow(lab, schedules=(FIVE,))
    add(lab, schedule_id, 0, Outcome.MISSED, until=micros(20), count=5)

    def told(number: float):
        return lab.read(lambda r: r.occurrence("nightly", at(number)))

    assert [told(number)["at"] for number in (0, 10, 20)] == [iso(micros(number)) for number in (0, 10, 20)]
    assert told(10)["count"] == 5
    assert [told(number) for number in (-5, 7, 25)] == [None, None, None]


def test_of_several_schedules_the_one_that_ran_answers(lab):
    one, other = save_flow(lab, schedules=(FIVE, every(minutes=10)))
    add(lab, one, 0, Outcome.SKIPPED)
    row = NewOccurrence(other, micros(0), Outcome.RAN, "in time", NOON)
    lab.write(lambda w: w.add_due_run(row, NewRun("k3f0000000", "nightly", NOON)))

    assert lab.read(lambda r: r.occurrence("nightly", at(0)))["outcome"] == "ran"


def test_a_moment_of_a_schedule_that_is_gone_is_still_explained(lab):
    (schedule_id,) = save_flow(lab, schedules=(FIVE,))
    add(lab, schedule_id, 0, Outcome.PAUSED)
    save_flow(lab)

    assert lab.read(lambda r: r.occurrence("nightly", at(0)))["outcome"] == "paused"


def test_the_moments_around_a_time_are_told_in_order(lab):
    one, other = save_flow(lab, schedules=(FIVE, every(minutes=7)))
    for number in range(0, 30, 5):
        add(lab, one, number, Outcome.MISSED)
    add(lab, other, 7, Outcome.SKIPPED)

    around = lab.read(lambda r: r.occurrences("nightly", at(8), limit=2))

    assert [row["at"] for row in around] == [iso(micros(number)) for number in (5, 7, 10, 15)]
    assert lab.read(lambda r: r.occurrences("nobody", at(8))) == []


# While the history changes


def test_a_reader_sees_what_was_committed_after_it_opened(sqlite_lab):
    def watch(reader):
        before = len(reader.runs())
        sqlite_lab.add_run()
        return before, len(reader.runs())

    assert sqlite_lab.read(watch) == (0, 1)


def test_a_damaged_history_is_told_so(sqlite_lab):
    for number in range(500):
        sqlite_lab.add_run(f"{number:010}", parameters={"text": "x" * 500})
    sqlite_lab.pen.close()
    data = sqlite_lab.address.read_bytes()
    sqlite_lab.address.write_bytes(data[: len(data) // 3] + os_noise(len(data) // 3) + data[2 * (len(data) // 3) :])

    with pytest.raises(HistoryError, match=r"is damaged .* tidemill doctor --repair"):
        sqlite_lab.read(lambda r: r.runs(limit=500))


def os_noise(size: int) -> bytes:
    return bytes(number * 7919 % 251 for number in range(size))
