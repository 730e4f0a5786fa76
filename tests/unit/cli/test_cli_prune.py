"""``tidemill prune`` and ``tidemill stats``: what they ask for, print and refuse."""

import json
import subprocess

import pytest

from tidemill.cli.commands import prune
from tidemill.cli.sizes import parse_size
from tidemill.control.answers import UsageError
from tidemill.history.database import open_database

REPORT = {
    "dry_run": False,
    "runs": 12,
    "failed_runs": 2,
    "moments": 1,
    "versions": 0,
    "leftovers": 0,
    "cached": 0,
    "freed": 1_500_000,
    "size": 2_000_000,
    "needed": 1,
    "failed_kept": 3,
    "unrecorded": 1,
    "notes": ["a word"],
}


@pytest.fixture
def serving(daemon):
    daemon.answers = {"prune": REPORT, "ping": {"pid": 1}}
    return daemon


@pytest.mark.parametrize(
    ("text", "size"), [("1500", 1500), ("2kB", 2000), ("1.5 MB", 1_500_000), ("10GiB", 10 * 2**30), ("3 bytes", 3)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-5MB", "5 XB", "1e3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="is no size; write it as"):
        parse_size(text)


def test_the_daemon_does_it_with_what_was_asked_for(tidemill, serving):
    ended = tidemill("prune", "--older-than", "30d", "--keep", "5", "--max-size", "1GB", "--failed")

    assert serving.asked[0] == ("prune", {"older_than": 2_592_000.0, "keep": 5, "size": 10**9, "failed": True})
    assert ended.code == 0
    assert "removed 12 runs (2 failed), 1 old moment: 1.5 MB; 2.0 MB are left" in ended.out
    assert "3 runs of that age failed and stay" in ended.out
    assert "1 run stay because others were retried" in ended.out
    assert "tidemill doctor" in ended.out
    assert "a word" in ended.out


def test_the_document_is_the_report(tidemill, serving):
    assert tidemill("prune", "--json").document == REPORT


def test_failed_alone_means_nothing(tidemill, serving):
    ended = tidemill("prune", "--failed")

    assert ended.code == 2
    assert "--older-than" in ended.err


def test_without_a_daemon_one_of_its_kind_does_it(tidemill, invocation, monkeypatch):
    lines = []

    def run(line, **_):
        lines.append(line)
        return subprocess.CompletedProcess(line, 0, json.dumps(REPORT), "")

    monkeypatch.setattr(prune.subprocess, "run", run)

    assert tidemill("prune", "--keep", "5", "--json").document == REPORT
    assert lines[0][3:4] == ["tidemill.service.housekeeping"]
    assert json.loads(lines[0][-1])["keep"] == 5


def test_what_the_other_process_refuses_is_refused(tidemill, invocation, monkeypatch):
    done = subprocess.CompletedProcess([], 6, "", "tidemill: the daemon with pid 7 already serves\n")
    monkeypatch.setattr(prune.subprocess, "run", lambda *_, **__: done)

    ended = tidemill("prune")

    assert ended.code == 6
    assert "pid 7" in ended.err


def test_compacting_waits_for_the_end_of_the_daemon(tidemill, serving):
    ended = tidemill("prune", "--compact")

    assert ended.code == 6
    assert "tidemill stop" in ended.err


def test_a_dry_run_needs_nobody(tidemill, invocation, daemon):
    invocation.paths.database.unlink()
    open_database(invocation.paths.database).engine.dispose()

    ended = tidemill("prune", "--dry-run", "--json")

    assert ended.document["dry_run"] is True
    assert ended.document["runs"] == 0
    assert daemon.asked == []


def test_without_a_history_it_says_so(tidemill, invocation):
    invocation.paths.database.unlink()
    del invocation.__dict__["reader"]

    assert tidemill("prune").code == 3


# stats


@pytest.fixture
def statistics(reader, add_flow):
    add_flow("nightly")
    record = {
        "flow": "nightly",
        "since": "2026-11-15T08:00:00.000000+00:00",
        "runs": 40,
        "completed": 38,
        "failed": 1,
        "states": {"cancelled": 1, "completed": 38, "failed": 1},
        "success_rate": 38 / 39,
        "duration": {"p50": 3.0, "p95": 75.0},
        "wait": {"p50": 0.012, "p95": 0.5},
        "last_failure": {
            "id": "k3f0000000",
            "state": "failed",
            "finished_at": "2026-11-22T06:00:00.000000+00:00",
            "error": "ValueError: no",
        },
    }
    asked = []
    reader.statistics = lambda since, flow=None: [asked.append((since, flow)), [record]][1]
    return record, asked


def test_a_table_of_all_flows(tidemill, statistics):
    ended = tidemill("stats")

    assert ended.code == 0
    assert "nightly    40   97.4 %  3.0 s  1 min 15 s" in ended.out
    assert "2 h ago, k3f0000000 failed: ValueError: no" in ended.out
    assert statistics[1][0][0].isoformat() == "2026-11-15T08:00:00+00:00"


def test_one_flow_in_full(tidemill, statistics):
    ended = tidemill("stats", "nightly", "--since", "1d")

    assert "1 cancelled, 38 completed, 1 failed" in ended.out
    assert "3.0 s (p95 1 min 15 s)" in ended.out
    assert statistics[1][0][1] == "nightly"


def test_the_numbers_as_a_document(tidemill, statistics):
    assert tidemill("stats", "--json").document == [statistics[0]]


def test_a_flow_that_is_not_there_is_not_counted(tidemill, statistics):
    assert tidemill("stats", "nighly").code == 4


def test_nothing_to_count_is_said(tidemill, reader):
    reader.statistics = lambda since, flow=None: []

    assert "nothing has run since then" in tidemill("stats").out


def test_only_all_of_them_are_a_hundred_percent(tidemill, statistics):
    statistics[0]["success_rate"] = 0.99999

    assert "99.9 %" in tidemill("stats").out
