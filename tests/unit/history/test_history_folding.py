"""A piece of a journal as rows."""

import pytest

from tidemill.domain.events import RunEnded, RunNoted, RunRetrying, RunStarted, TaskEnded, TaskRetrying, TaskStarted
from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.history.folding import FLOW, Rows

ERROR = ErrorInfo("OSError", "no route", None)


def fold(*events) -> Rows:
    rows = Rows()
    rows.add(7, events)
    return rows


def test_a_task_that_began_and_ended_is_one_row():
    rows = fold(TaskStarted(10, 0, "a", 1), TaskEnded(12, 0, "a", "completed", 1, 10))

    assert rows.tasks == [(7, 0, "a", "completed", 1, 10, None, 12, None)]


def test_an_end_without_a_beginning_leaves_the_beginning_to_the_history():
    rows = fold(TaskEnded(12, 0, "a", "upstream_failed", 0))

    assert rows.tasks == [(7, 0, "a", "upstream_failed", 0, None, None, 12, None)]


def test_a_retried_task_is_one_row_and_one_failed_attempt():
    rows = fold(
        TaskStarted(10, 0, "a", 1),
        TaskRetrying(11, 0, "a", 1, 20, ERROR),
        TaskStarted(20, 0, "a", 2),
    )

    assert rows.tasks == [(7, 0, "a", "running", 2, 10, 20, None, None)]
    assert [row[:4] for row in rows.attempts] == [(7, 0, 1, 10)]


def test_an_attempt_that_began_earlier_asks_the_history_when():
    (row,) = fold(TaskRetrying(11, 0, "a", 2, 20, ERROR)).attempts

    assert row[3] is None


def test_a_task_that_waits_for_its_next_attempt_shows_why():
    (row,) = fold(TaskStarted(10, 0, "a", 1), TaskRetrying(11, 0, "a", 1, 20, ERROR)).tasks

    assert (row[3], row[8]) == ("retrying", '["OSError", "no route", null]')


def test_results_are_kept_for_tasks_and_for_the_flow_itself():
    info = ResultInfo("history", None, 1, "1", "json", "1")

    rows = fold(TaskEnded(12, 3, "a", "completed", 1, 10, None, info), RunEnded(13, "completed", None, info))

    assert [row[1] for row in rows.results] == [3, FLOW]


def test_a_task_that_begins_tells_that_a_waiting_run_goes_on():
    assert fold(TaskStarted(10, 0, "a", 1)).resumed == [(7,)]
    assert fold(RunRetrying(9, 1, 10, ERROR), TaskStarted(10, 0, "a", 1)).resumed == [(7,)]


def test_a_run_that_waits_again_does_not_go_on():
    rows = fold(TaskStarted(8, 0, "a", 1), RunRetrying(9, 1, 10, ERROR))

    assert (rows.resumed, rows.retrying) == ([], [(2, 7)])


def test_a_run_that_has_just_begun_needs_no_further_word():
    assert fold(RunStarted(1, 2, 3, "b"), TaskStarted(10, 0, "a", 1)).resumed == []


def test_a_word_that_is_no_state_is_refused():
    for event in (TaskEnded(1, 0, "a", "dancing", 1), RunEnded(1, "dancing")):
        with pytest.raises(ValueError, match="dancing"):
            fold(event)


def test_text_is_made_storable():
    rows = fold(TaskStarted(1, 0, "a\0\udc80", 1), RunNoted(2, "\ud800"))

    assert rows.tasks[0][2] == "a\\x00\\udc80"
    assert rows.notes[0][4] == "\\ud800"


def test_what_was_a_task_s_end_is_an_attempt_when_its_flow_is_tried_again():
    rows = fold(
        TaskStarted(10, 0, "a", 1),
        TaskEnded(11, 0, "a", "failed", 1, 10, ERROR),
        TaskEnded(11, 1, "b", "upstream_failed", 0, None, ERROR),
        RunRetrying(11, 1, 20, ERROR),
        TaskStarted(20, 0, "a", 2),
        TaskStarted(20, 1, "b", 1),
    )

    assert [(row[1], row[2], row[3], row[6], row[7]) for row in rows.attempts] == [(0, 1, 10, 11, 20)]
    assert rows.tasks == [
        (7, 0, "a", "running", 2, 10, 20, None, None),
        (7, 1, "b", "running", 1, 20, None, None, None),
    ]
    assert rows.begun_again == []


def test_a_task_that_begins_again_asks_the_history_whether_it_had_ended():
    assert fold(TaskStarted(20, 0, "a", 2)).begun_again == [(20, 7, 0)]
    assert fold(TaskStarted(20, 0, "a", 1)).begun_again == []
