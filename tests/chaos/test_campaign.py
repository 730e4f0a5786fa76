"""The real stack under SIGKILL for a few seconds; ``make chaos`` has campaigns of the same."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from chaos.campaign import run_campaign
from chaos.killing.evidence import Evidence
from chaos.killing.findings import check_all
from chaos.killing.person import Deed


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaign")
    return run_campaign(7, folder, seconds=10, kills=25), folder


def test_nothing_is_lost_and_nothing_done_twice_whatever_is_killed(campaign):
    result, _ = campaign
    assert result["violations"] == []
    assert result["kills"]["daemon"] > 2
    assert result["answered"] > 2
    assert result["moments"]["ran"] + result["moments"]["late"] > 8
    assert result["states"]["completed"] > 8


COMPLETED = (
    "(SELECT id FROM runs WHERE state = 'completed' AND schedule_id IS NOT NULL"
    " AND flow_id = (SELECT id FROM flows WHERE name = 'beat') "
)
FORGERIES = {
    "I3 beat: moments without a row": "DELETE FROM occurrences WHERE run_id = " + COMPLETED + "LIMIT 1)",
    "I3 beat: moments with several runs": "UPDATE runs SET scheduled_for ="
    " (SELECT max(scheduled_for) FROM runs WHERE schedule_id = r.schedule_id) FROM runs r WHERE runs.id = r.id"
    " AND r.id IN " + COMPLETED + "LIMIT 2)",
    "I2 the run": "UPDATE runs SET state = 'running', finished_at = NULL WHERE id = " + COMPLETED + "LIMIT 1)",
    "I4 beat/strike completed in": "UPDATE runs SET trigger = 'retry', parent_id = " + COMPLETED + "LIMIT 1)"
    " WHERE id = " + COMPLETED + "LIMIT 1 OFFSET 1)",
    "I12 the run": "UPDATE runs SET state = 'crashed', error = 'signal 9 (SIGKILL)' WHERE id = "
    + COMPLETED
    + "LIMIT 1)",
    "I11 the run": "DELETE FROM runs WHERE id = " + COMPLETED + "LIMIT 1)",
    "I5 the task beat/strike": "UPDATE task_runs SET attempts = 0 WHERE run_id = " + COMPLETED + "LIMIT 1)",
}


@pytest.mark.parametrize("told", FORGERIES)
def test_a_history_that_lies_is_found_out(campaign, tmp_path, told):
    _, folder = campaign
    shutil.copytree(folder / "state", tmp_path / "state")
    with closing(sqlite3.connect(tmp_path / "state" / "history.db")) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute(FORGERIES[told]).rowcount > 0
        connection.commit()

    assert any(found.startswith(told) for found in found_in(tmp_path / "state", folder / "ledger"))


def test_effects_answers_and_journals_that_fit_no_history_are_found_out(campaign, tmp_path):
    _, folder = campaign
    shutil.copytree(folder / "state", tmp_path / "state")
    effects = (folder / "ledger").read_text()
    run, *_ = effects.split(" ", 1)
    (tmp_path / "ledger").write_text(effects + f"{run} beat/strike 1 begin 1 0\n")
    journal = next(
        path for path in (tmp_path / "state").glob("journals/??/*.journal") if b"run_ended" in path.read_bytes()
    )
    with journal.open("a") as file:
        file.write('["run_noted",0,"late"]\n')
    lost = Deed("run", "long", 0, 1, "nowhere", "0-0")

    found = found_in(tmp_path / "state", tmp_path / "ledger", lost)

    for told in (
        f"I6 the run {run} was executed by",
        f"I9 {journal.name} goes on",
        "I1 the run nowhere was acknowledged",
    ):
        assert any(violation.startswith(told) for violation in found), told


def found_in(state, ledger, *deeds):
    evidence = Evidence(state, ledger, deeds, [])
    try:
        return check_all(evidence)[0]
    finally:
        evidence.close()
