"""A flow that is tried again, in the history: what failed, when the next attempt began, and how it ended."""

import pytest

from history_lab import NOON, SECOND
from tidemill.domain.events import (
    OfSubflow,
    RunEnded,
    RunRetrying,
    RunStarted,
    SubflowStarted,
    TaskEnded,
    TaskRetrying,
    TaskStarted,
)
from tidemill.domain.results import ErrorInfo

UID = "k3f0000000"
CHILD = "k3f0000009"


def at(second):
    return NOON + second * SECOND


def error(text):
    return ErrorInfo("OSError", text)


TWICE = [
    RunStarted(at(0), 1, 2, "boot"),
    TaskStarted(at(1), 0, "fetch", 1),
    TaskEnded(at(2), 0, "fetch", "completed", 1, at(1)),
    TaskStarted(at(2), 1, "load", 1),
    TaskRetrying(at(3), 1, "load", 1, at(4), error("first")),
    TaskStarted(at(4), 1, "load", 2),
    TaskEnded(at(5), 1, "load", "failed", 2, at(2), error("second")),
    TaskEnded(at(5), 2, "tell", "upstream_failed", 0, None, error("not run")),
    RunRetrying(at(5), 1, at(9), error("second")),
    TaskStarted(at(9), 1, "load", 3),
    TaskEnded(at(10), 1, "load", "timed_out", 3, at(2), error("third")),
    RunRetrying(at(10), 2, at(12), error("third")),
    TaskStarted(at(12), 1, "load", 4),
    TaskEnded(at(13), 1, "load", "completed", 4, at(2)),
    TaskStarted(at(13), 2, "tell", 1),
    TaskEnded(at(14), 2, "tell", "completed", 1, at(13)),
    RunEnded(at(14), "completed"),
]


def seconds(text):
    return None if text is None else int(text[17:19]) - 20 + 60 * (int(text[14:16]) - 13)


def facts(run):
    return {
        "state": run["state"],
        "attempt": run["attempt"],
        "events": [(event["state"], (event["note"] or "").rpartition(": ")[2]) for event in run["events"]],
        "tasks": {
            task["name"]: (
                task["state"],
                task["attempts"],
                seconds(task["started_at"]),
                seconds(task["finished_at"]),
                [
                    (
                        failed["attempt"],
                        seconds(failed["started_at"]),
                        seconds(failed["finished_at"]),
                        seconds(failed["next_at"]),
                        failed["error"]["message"],
                    )
                    for failed in task["failed_attempts"]
                ],
            )
            for task in run["tasks"]
        },
    }


EXPECTED = {
    "state": "completed",
    "attempt": 3,
    "events": [
        ("pending", ""),
        ("running", ""),
        ("retrying", "second"),
        ("retrying", "third"),
        ("completed", ""),
    ],
    "tasks": {
        "fetch": ("completed", 1, 1, 2, []),
        "load": ("completed", 4, 2, 13, [(1, 2, 3, 4, "first"), (2, 4, 5, 9, "second"), (3, 9, 10, 12, "third")]),
        "tell": ("completed", 1, 13, 14, []),
    },
}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 9, 10, 12, len(TWICE)])
def test_every_attempt_its_wait_and_its_error_is_kept_however_the_journal_is_read(lab, size):
    run_id = lab.add_run(UID)

    for start in range(0, len(TWICE), size):
        lab.record(run_id, UID, *TWICE[start : start + size])

    assert facts(lab.read(lambda reader: reader.run_detail(UID))) == EXPECTED


def test_between_two_attempts_of_the_flow_a_run_is_retrying_and_its_tasks_are_as_they_ended(lab):
    run_id = lab.add_run(UID)

    lab.record(run_id, UID, *TWICE[:9])

    run = lab.read(lambda reader: reader.run_detail(UID))
    assert (run["state"], run["attempt"]) == ("retrying", 2)
    assert facts(run)["tasks"]["load"] == ("failed", 2, 2, 5, [(1, 2, 3, 4, "first")])


def test_a_flow_that_fails_for_good_keeps_its_last_error_with_the_task(lab):
    run_id = lab.add_run(UID)

    lab.record(run_id, UID, *TWICE[:11], RunEnded(at(10), "failed", error("third")))

    run = facts(lab.read(lambda reader: reader.run_detail(UID)))
    assert run["state"] == "failed"
    assert run["tasks"]["load"] == ("timed_out", 3, 2, 10, [(1, 2, 3, 4, "first"), (2, 4, 5, 9, "second")])


@pytest.mark.parametrize("size", [1, 4, 30])
def test_a_flow_within_a_run_has_attempts_of_its_own(lab, size):
    run_id = lab.add_run(UID)
    inner = [OfSubflow(CHILD, event) for event in TWICE[1:]]
    told = [
        TWICE[0],
        OfSubflow(CHILD, SubflowStarted(at(1), UID, 0, "inner", {})),
        *inner,
        RunEnded(at(15), "completed"),
    ]

    for start in range(0, len(told), size):
        lab.record(run_id, UID, *told[start : start + size])

    child = facts(lab.read(lambda reader: reader.run_detail(CHILD)))
    assert child["tasks"] == EXPECTED["tasks"]
    assert child["attempt"] == 3
