"""Runs within runs, and the names that flows and tasks give to their runs, for a person's eyes."""

import pytest

from tidemill.domain.errors import Refused

ROOT, CHILD, DEEP, OTHER = "k3f0000000", "aaa0000000", "bbb0000000", "ccc0000000"
LINES = [
    "2026-11-22T02:00:00.000001Z [-] INFO the flow begins",
    f"2026-11-22T02:00:01.000000Z [{CHILD}/-] OUT called",
    f"2026-11-22T02:00:02.000000Z [{CHILD}/load] OUT one \x1b[2J",
    "of a program",
    f"2026-11-22T02:00:03.000000Z [{DEEP}/load] ERR two",
    f"2026-11-22T02:00:04.000000Z [{OTHER}/load] OUT three",
    "2026-11-22T02:00:05.000000Z [load] OUT four",
]


@pytest.fixture
def family(add_run, invocation):
    """A run that called two flows, one of which called another."""
    add_run(ROOT, name="nightly of Monday")
    for uid, parent, flow in ((CHILD, ROOT, "load"), (DEEP, CHILD, "deeper"), (OTHER, ROOT, "load")):
        add_run(uid, flow, trigger="subflow", parent=parent, root=ROOT, parent_task=3)
    path = invocation.paths.log(ROOT)
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{line}\n" for line in LINES))


def test_runs_lists_sub_flows_with_names_and_can_leave_them_out(tidemill, family):
    heading, *rows = tidemill("runs").out.splitlines()

    assert "NAME" in heading
    assert [row.split()[0] for row in rows] == [ROOT, CHILD, DEEP, OTHER]
    assert "nightly of Monday" in rows[0]
    assert "subflow" in rows[1]
    assert [run["id"] for run in tidemill("runs", "--top", "--json").document] == [ROOT]


def test_a_list_without_names_has_no_column_for_them(tidemill, add_run):
    add_run(ROOT)

    assert "NAME" not in tidemill("runs").out


@pytest.mark.parametrize(
    ("uid", "trigger"),
    [
        (CHILD, f"subflow of {ROOT}, which called it as its task 3"),
        (DEEP, f"subflow of {CHILD}, which called it as its task 3, within the run {ROOT}"),
    ],
)
def test_show_tells_who_called_a_sub_flow(tidemill, family, uid, trigger):
    ended = tidemill("show", uid)

    assert [line.split(None, 1)[1] for line in ended.out.splitlines() if line.startswith("trigger")] == [trigger]
    assert "name" not in [line.split()[0] for line in ended.out.splitlines() if line.strip()]


def test_show_names_the_run_itself_and_the_runs_beside_their_tasks(tidemill, add_run, task):
    add_run(
        ROOT,
        name="nightly of Monday",
        tasks=[
            task("load", 0, subflow=CHILD),
            task("insert", 1, run_name="insert 7"),
            task("load", 2, run_name="load of Monday", subflow=OTHER),
            task("plain", 3),
        ],
    )

    shown = tidemill("show", ROOT).out

    assert "name      nightly of Monday" in shown
    for name in (f"load (run {CHILD})", "insert: insert 7", f"load: load of Monday (run {OTHER})"):
        assert f"  {name} " in shown
    (chosen,) = tidemill("show", ROOT, "--task", "insert 7", "--json").document["tasks"]
    assert chosen["index"] == 1


def test_a_retry_is_told_as_before(tidemill, add_run):
    add_run(ROOT, trigger="retry", parent=OTHER, attempt=2)

    assert f"retry of {OTHER}, attempt 2" in tidemill("show", ROOT).out


def test_a_flow_that_only_other_flows_know_says_so(tidemill, add_flow, add_run):
    add_flow("load", file=None, active=False)
    add_run(CHILD, "load", trigger="subflow", parent=ROOT, root=ROOT)

    shown = tidemill("show", "load").out

    assert "no file in the folder of flows declares it, other flows call it" in shown
    assert "subflow" in shown


# Logs


def test_the_log_of_a_run_holds_the_lines_of_its_sub_flows_marked_with_their_ids(tidemill, family):
    ended = tidemill("logs", ROOT)

    assert ended.out.splitlines()[1:3] == [LINES[1], LINES[2].replace("\x1b[2J", "\\x1b[2J")]
    assert len(ended.out.splitlines()) == len(LINES)
    assert [line["run"] for line in tidemill("logs", ROOT, "--json").document] == [
        None, CHILD, CHILD, None, DEEP, OTHER, None,
    ]  # fmt: skip
    assert len(tidemill("logs", ROOT, "--task", "load").out.splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ((CHILD,), [1, 2, 4]),
        ((DEEP,), [4]),
        ((OTHER,), [5]),
        ((CHILD, "--task", "load"), [2, 4]),
        ((CHILD, "-n", "1"), [4]),
        ((CHILD, "-n", "0"), []),
        ((CHILD, "-f"), [1, 2, 4]),
    ],
)
def test_of_a_sub_flow_its_own_lines_are_printed_and_those_of_what_it_called(tidemill, family, arguments, numbers):
    ended = tidemill("logs", *arguments)

    assert ended.code == 0
    assert [line.split("Z")[0] for line in ended.out.splitlines()] == [
        LINES[number].split("Z")[0] for number in numbers
    ]
    assert ended.err == ""


def test_the_bytes_of_a_sub_flow_are_those_of_the_whole_log(tidemill, family):
    ended = tidemill("logs", CHILD, "--raw")

    assert (ended.code, ended.out.splitlines()) == (0, LINES)
    assert f"the whole log of {ROOT}" in ended.err


def test_a_sub_flow_is_followed_until_it_or_the_run_that_carries_it_has_ended(tidemill, family, reader, invocation):
    journal = invocation.paths.journal(ROOT)
    journal.parent.mkdir(parents=True, exist_ok=True)
    reader.details[CHILD]["state"] = reader.details[ROOT]["state"] = "running"
    journal.write_bytes(b'["run_ended",1,"completed"]\n')

    assert len(tidemill("logs", CHILD, "-f").out.splitlines()) == 3


# Acting


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_what_a_sub_flow_is_refused_is_told_and_ends_with_the_code_for_it(tidemill, family, daemon, reader, verb):
    reader.details[CHILD]["state"] = "failed"
    daemon.answers = {verb: Refused(f"the run {CHILD} is a sub-flow of the run {ROOT}; …")}

    ended = tidemill(verb, CHILD)

    assert (ended.code, ended.out) == (6, "")
    assert f"the run {CHILD} is a sub-flow of the run {ROOT}" in ended.err
