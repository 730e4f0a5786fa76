"""Runs of many tasks as ``show`` tells them."""

import pytest

ERROR = {"type": "ValueError", "message": "no", "traceback": "Traceback: no"}


@pytest.fixture
def many(add_run, task):
    """A run of ten thousand tasks of one name, 20 of them failed, between two others."""
    tasks = [task("list items", 0)]
    tasks += [
        task("load", number, **({"state": "failed", "error": ERROR} if number % 500 == 7 else {}))
        for number in range(1, 10_001)
    ]
    tasks.append(task("sum", 10_001, state="upstream_failed", error={**ERROR, "traceback": None}))
    return add_run("k3f0000000", tasks=tasks)


def rows(out):
    """Return the words of each row of the table of tasks."""
    table = out.split("\ntasks\n")[1].split("\n\n")[0].splitlines()
    return [line.split() for line in table if line.split()[0].isdigit()]


def test_tasks_of_one_name_share_a_line_when_they_are_many_and_failures_come_first(tidemill, many):
    lines = tidemill("show", "k3f").out.splitlines()

    assert len(lines) < 100
    assert "10002: 20 failed, 1 upstream_failed, 9981 completed" in lines
    failed, tasks = lines.index("failed"), lines.index("tasks")
    listed = lines[failed + 2 : tasks - 1]
    assert [int(line.split()[0]) for line in listed[:3]] == [7, 507, 1007]
    assert len(listed) == 20
    summary = next(line for line in lines[tasks:] if "load (10000)" in line)
    assert summary.endswith("20 failed, 9980 completed")
    assert "failed" in summary.split("(10000)")[1].split()[1]
    assert [line.split()[1] for line in lines[tasks + 3 : tasks + 6]] == ["list", "load", "sum"]


def test_more_failures_than_a_person_reads_are_counted_and_the_way_to_all_is_told(tidemill, add_run, task):
    tasks = [task("load", number, state="failed", error=ERROR) for number in range(300)]
    add_run("k3f0000000", tasks=tasks)

    lines = tidemill("show", "k3f").out.splitlines()

    assert "and 280 more; all of them: tidemill show k3f0000000 --state failed --all" in lines
    assert sum("Traceback: no" in line for line in lines) == 10
    assert "290 more tasks have errors; all of them: tidemill show k3f0000000 --state failed --all" in lines
    assert sum("Traceback: no" in line for line in tidemill("show", "k3f", "--all").out.splitlines()) == 300


def test_errors_of_tasks_that_bear_one_name_are_told_apart(tidemill, many):
    out = tidemill("show", "k3f").out

    assert "load (#7): ValueError" in out
    assert "load (#507): ValueError" in out


def test_all_lists_every_task(tidemill, many):
    out = tidemill("show", "k3f", "--all").out

    assert len(rows(out)) == 10_002


def test_tasks_are_chosen_by_name_state_or_both(tidemill, many):
    assert [row[0] for row in rows(tidemill("show", "k3f", "--task", "sum").out)] == ["10001"]
    assert [row[0] for row in rows(tidemill("show", "k3f", "--task", "4711").out)] == ["4711"]
    assert len(rows(tidemill("show", "k3f", "--state", "failed").out)) == 20
    assert len(rows(tidemill("show", "k3f", "--state", "failed", "--state", "upstream_failed").out)) == 21
    assert "no such tasks" in tidemill("show", "k3f", "--task", "sum", "--state", "failed").out
    listed = tidemill("show", "k3f", "--task", "load").out
    assert len(rows(listed)) == 100
    assert "and 9900 more; all of them: add --all" in listed
    assert len(rows(tidemill("show", "k3f", "--task", "load", "--all").out)) == 10_000


def test_items_of_a_mapped_task_share_its_line(tidemill, add_run, task):
    failure = {"type": "ValueError", "message": "1 of 12 items failed", "traceback": None}
    tasks = [task("load", 0, state="failed", error=failure)]
    tasks += [task(f"load[{n}]", n + 1, **({"state": "failed", "error": ERROR} if n == 3 else {})) for n in range(12)]
    add_run("k3f0000000", tasks=tasks)

    out = tidemill("show", "k3f").out

    assert "12: 1 failed, 11 completed" in out.splitlines()
    assert [row[:3] for row in rows(out)] == [["0", "load", "(12)"]]
    assert "1 of 12 items failed" not in out
    assert len(rows(tidemill("show", "k3f", "--task", "load").out)) == 13
    assert [row[1] for row in rows(tidemill("show", "k3f", "--task", "load[3]").out)] == ["load[3]"]


def test_many_that_completed_in_two_attempts_are_completed(tidemill, add_run, task):
    tasks = [task("load", number, state="cached") for number in range(20)] + [task("load", 20)]
    add_run("k3f0000000", tasks=tasks)

    (line,) = [line for line in tidemill("show", "k3f").out.splitlines() if "load (21)" in line]

    assert "completed" in line.split("(21)")[1].split()[1]


def test_few_items_are_listed_below_their_task(tidemill, add_run, task):
    add_run("k3f0000000", tasks=[task("load", 0), task("load[0]", 1), task("load[1]", 2)])

    assert [row[1] for row in rows(tidemill("show", "k3f").out)] == ["load", "load[0]", "load[1]"]


def test_a_line_for_many_tells_of_those_that_are_still_going(tidemill, add_run, task):
    tasks = [task("load", number) for number in range(20)]
    tasks += [task("load", number, state="running", finished_at=None, duration=None) for number in range(20, 23)]
    add_run("k3f0000000", state="running", tasks=tasks)

    (line,) = [line for line in tidemill("show", "k3f").out.splitlines() if "load (23)" in line]

    assert line.endswith("3 running, 20 completed")
    assert "running" in line.split("(23)")[1].split()[1]


def test_a_document_is_complete_unless_some_were_asked_for(tidemill, many):
    assert tidemill("show", "k3f", "--json").document == many
    chosen = tidemill("show", "k3f", "--state", "failed", "--json").document
    assert [task["index"] for task in chosen["tasks"]] == [task["index"] for task in many["tasks"][7:10_000:500]]


def test_a_task_that_is_not_there_is_named_with_the_nearest(tidemill, many):
    ended = tidemill("show", "k3f", "--task", "laod")

    assert (ended.code, ended.out) == (4, "")
    assert ended.err == "tidemill: the run k3f0000000 has no task 'laod'; did you mean load?\n"


def test_tasks_of_a_flow_are_refused(tidemill, add_flow):
    add_flow("nightly")

    ended = tidemill("show", "nightly", "--all")

    assert (ended.code, ended.out) == (2, "")
    assert "nightly is a flow" in ended.err
