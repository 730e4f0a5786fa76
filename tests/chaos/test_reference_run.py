"""The reference run with nothing done to it: nothing is found then, and what is wrong would be found."""

import shutil
import sqlite3
from contextlib import closing
from functools import cache

import pytest

from chaos.killing.person import Deed
from chaos.reference_run.judging import judge, judge_undisturbed, settle
from chaos.reference_run.telling import tell
from chaos.reference_run.variants import VARIANTS, prepare


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    @cache
    def told(variant):
        stack = prepare(tmp_path_factory.mktemp(variant), variant)
        try:
            acks = tell(stack)
            return stack, acks, settle(stack)
        finally:
            stack.sweep()

    return told


@pytest.fixture
def fresh(story):
    return story("fresh")[:2]


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_wrong_where_nothing_was_done(story, variant):
    stack, acks, wrong = story(variant)
    assert [*wrong, *judge(stack, acks), *judge_undisturbed(stack, acks)] == []
    assert all(deed.answered for deed in acks.deeds)


def test_it_touches_all_that_changes_state(fresh):
    stack, _ = fresh
    with closing(stack.history()) as history:
        states = set(history.execute("SELECT r.state, t.state FROM runs r JOIN task_runs t ON t.run_id = r.id"))
        attempts = max(history.execute("SELECT attempts FROM task_runs WHERE name = 'clean'"))
        outcomes = {outcome for (outcome,) in history.execute("SELECT outcome FROM occurrences")}
    assert {("completed", "completed"), ("completed", "cached"), ("cancelled", "cancelled")} <= states
    assert attempts == (2,)
    assert outcomes & {"ran", "late"}
    assert len(list((stack.folder / "kept").iterdir())) == 2


BY_HAND = "(SELECT id FROM runs WHERE trigger = 'manual' LIMIT 1)"
FORGERIES = {
    "I1 the run": f"DELETE FROM runs WHERE id = {BY_HAND}",
    "I2 the run": f"UPDATE runs SET state = 'running', finished_at = NULL WHERE id = {BY_HAND}",
    "I3 beat: moments without a row": "DELETE FROM occurrences WHERE moment = (SELECT min(moment) FROM occurrences)",
    "I11 the task": "DELETE FROM task_runs WHERE (run_id, idx) = (SELECT run_id, idx FROM task_runs LIMIT 1)",
    "I12 the run": f"UPDATE runs SET state = 'crashed', error = NULL WHERE id = {BY_HAND}",
}


@pytest.mark.parametrize("found", FORGERIES)
def test_a_history_that_lacks_a_row_is_found_out(fresh, tmp_path, found):
    stack, acks = fresh
    shutil.copy(stack.state / "history.db", tmp_path)
    try:
        with closing(sqlite3.connect(stack.state / "history.db")) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            assert connection.execute(FORGERIES[found]).rowcount == 1
            connection.commit()
        assert any(violation.startswith(found) for violation in judge(stack, acks))
    finally:
        shutil.copy(tmp_path / "history.db", stack.state)


def test_an_answer_that_fits_no_history_is_found_out(fresh):
    stack, acks = fresh
    acks = acks._replace(deeds=[*acks.deeds, Deed("run", "slow", 0, 1, "nowhere", "0")])
    assert any(violation.startswith("I1 the run nowhere") for violation in judge(stack, acks))
