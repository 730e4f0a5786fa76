"""``tidemill doctor``: what it prints, how it ends, and when it refuses to repair."""

import json
import subprocess

import pytest

from tidemill.care import examining
from tidemill.care.examining import Examined
from tidemill.care.findings import error, note, warning
from tidemill.cli.commands import doctor

SOUND = [Examined("settings", ()), Examined("history", (note("it is old"),))]
SICK = [Examined("settings", (warning("odd"),)), Examined("history", (error("torn", repairable=True), note("old")))]


@pytest.fixture
def seen(monkeypatch):
    """Have the examination find what the test says, and remember what was looked at."""
    sites = []

    def find(found):
        monkeypatch.setattr(examining, "examine", lambda site: sites.append(site) or found)
        return sites

    return find


def test_nothing_wrong_is_told_check_by_check(tidemill, seen):
    seen(SOUND)

    ended = tidemill("doctor")

    assert ended.code == 0
    assert ended.out.splitlines() == ["✓ settings", "✓ history", "    note  it is old", "0 errors, 0 warnings"]


def test_an_error_is_an_exit_of_one_and_a_word_about_repairs(tidemill, seen):
    seen(SICK)

    ended = tidemill("doctor")

    assert ended.code == 1
    assert "! settings\n    warning  odd\n✗ history\n    error  torn" in ended.out
    assert "1 error, 1 warning" in ended.out
    assert "tidemill doctor --repair" in ended.out


def test_the_document_has_every_check(tidemill, seen):
    seen(SICK)

    document = tidemill("doctor", "--json").document

    assert (document["errors"], document["warnings"], document["repaired"]) == (1, 1, [])
    assert document["checks"][1] == {
        "check": "history",
        "ok": False,
        "findings": [
            {"level": "error", "message": "torn", "repairable": True},
            {"level": "note", "message": "old", "repairable": False},
        ],
    }


def test_the_daemon_is_asked_how_it_is(tidemill, daemon, seen):
    sites = seen(SOUND)
    tidemill("doctor")
    daemon.answers = {"status": {"version": "1"}, "ping": {"pid": 1}}
    tidemill("doctor")

    assert [site.status for site in sites] == [None, {"version": "1"}]


def test_nothing_is_repaired_under_a_daemon(tidemill, daemon, seen):
    seen(SICK)
    daemon.answers = {"ping": {"pid": 1}, "status": {}}

    ended = tidemill("doctor", "--repair")

    assert ended.code == 6
    assert "stop it first: tidemill stop" in ended.err
    assert "tidemill stop && tidemill doctor --repair" in tidemill("doctor").out


def test_a_repair_is_done_by_another_process_and_looked_at_again(tidemill, seen, monkeypatch):
    seen(SOUND)
    lines = []

    def run(line, **_):
        lines.append(line)
        return subprocess.CompletedProcess(line, 0, json.dumps(["it was mended"]), "tidemill: one journal is odd\n")

    monkeypatch.setattr(doctor.subprocess, "run", run)

    ended = tidemill("doctor", "--repair")

    assert ended.code == 0
    assert ended.out.startswith("repaired  it was mended\n")
    assert "one journal is odd" in ended.err
    assert lines[0][3:5] == ["tidemill.service.housekeeping", "repair"]


def test_a_repair_that_fails_says_why(tidemill, seen, monkeypatch):
    seen(SICK)
    done = subprocess.CompletedProcess([], 1, "", "tidemill: the disk is full\n")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: done)

    ended = tidemill("doctor", "--repair")

    assert (ended.code, ended.err) == (1, "tidemill: the disk is full\n")


def test_settings_that_cannot_be_used_are_the_finding(tmp_path, capsys):
    from tidemill.cli.main import main

    (tmp_path / "tidemill.toml").write_text("[dispatch]\nmax_runs = 0\n")

    code = main(["--config", str(tmp_path / "tidemill.toml"), "doctor", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert code == 5
    assert document["errors"] == 1
    assert "max_runs" in document["checks"][0]["findings"][0]["message"]
