"""The commands that read: what they print, and their documents."""

import pytest

HOSTILE = "\x1b]0;evil\x07\u202e\rname"


def test_flows_shows_when_each_comes_and_how_it_ended(tidemill, add_flow):
    add_flow(
        "nightly",
        ("cron", "0 2 * * *", "Europe/Berlin"),
        last_run={
            "id": "k3f0000000",
            "state": "failed",
            "started_at": "2026-11-22T01:00:00.000000+00:00",
            "duration": 2.5,
        },
    )
    add_flow("held", ("cron", "* * * * *"), paused=True)
    add_flow("by_hand")

    ended = tidemill("flows")

    nightly, held, by_hand = ended.out.splitlines()[1:]
    assert "Mon 23 Nov 01:00 (in 17 h)" in nightly
    assert "failed" in nightly
    assert "cron 0 2 * * * (Europe/Berlin)" in nightly
    assert "paused" in held
    assert "none; tidemill run by_hand" in by_hand


def test_flows_as_a_document_has_the_fields_of_the_contract(tidemill, add_flow):
    add_flow("nightly", ("cron", "0 2 * * *", "Europe/Berlin"), ("every", "300"))

    (flow,) = tidemill("flows", "--json").document

    assert {
        "name",
        "file",
        "description",
        "tags",
        "schedules",
        "next_run_at",
        "paused",
        "parameters",
        "last_run",
        "error",
    } <= set(flow)
    assert flow["schedules"][0] == {
        "kind": "cron",
        "expression": "0 2 * * *",
        "timezone": "Europe/Berlin",
        "next": "2026-11-23T01:00:00.000000+00:00",
    }
    assert flow["next_run_at"] == flow["schedules"][1]["next"] == "2026-11-22T08:05:00.000000+00:00"
    assert "manifest" not in flow


def test_a_broken_file_is_shown_with_its_line_beside_its_last_good_flow(tidemill, add_flow):
    add_flow("nightly", ("cron", "0 2 * * *"), error="nightly.py:3: invalid syntax")
    add_flow(None, file="bad.py", manifest={}, error="bad.py:9: no module named x")
    tidemill_flows = add_flow(None, file="worse.py", error="worse.py: it ended the process with exit code 3")
    tidemill_flows["manifest"] = None

    ended = tidemill("flows")

    assert "Mon 23 Nov 02:00" in ended.out
    assert "3 errors" in ended.out
    assert "  nightly.py:3: invalid syntax" in ended.out
    assert "worse.py: it ended the process with exit code 3" in ended.out
    assert "broken" in ended.out


def test_no_flows_says_where_to_drop_one(tidemill):
    ended = tidemill("flows")

    assert ended.code == 0
    assert "drop a Python file into" in ended.out


def test_runs_lists_with_state_times_and_error(tidemill, add_run):
    add_run("k3f0000000", state="failed", error="ValueError: no such tide")

    ended = tidemill("runs")

    assert ended.out.splitlines()[0].split() == ["RUN", "FLOW", "STATE", "STARTED", "TOOK", "TRIGGER", "ERROR"]
    assert "k3f0000000" in ended.out
    assert "✗ failed" in ended.out or "failed" in ended.out
    assert "02:00:00 (5 h ago)" in ended.out
    assert "3.5 s" in ended.out
    assert "ValueError: no such tide" in ended.out


def test_runs_hands_on_its_filters(tidemill, reader, add_run):
    add_run("k3f0000000")

    tidemill("runs", "--flow", "nightly", "--state", "failed", "--state", "completed", "--since", "2h", "-n", "5")

    (asked,) = reader.asked
    assert asked["states"] == ("failed", "completed")
    assert asked["since"].isoformat() == "2026-11-22T06:00:00+00:00"
    assert asked["limit"] == 5


def test_runs_of_a_flow_that_does_not_exist_says_so(tidemill, add_flow):
    add_flow("nightly")

    ended = tidemill("runs", "--flow", "nigthly")

    assert ended.code == 4
    assert "did you mean nightly?" in ended.err


def test_runs_of_a_flow_that_never_ran_is_no_error(tidemill, add_flow):
    add_flow("nightly")

    ended = tidemill("runs", "--flow", "nightly")

    assert (ended.code, ended.out) == (0, "no such runs\n")


def test_runs_refuses_a_state_that_does_not_exist(tidemill):
    ended = tidemill("runs", "--state", "fialed")

    assert ended.code == 2
    assert "failed" in ended.err


def test_a_live_run_shows_how_long_it_has_taken_so_far(tidemill, add_run):
    add_run(
        "k3f0000000", state="running", started_at="2026-11-22T07:58:00.000000+00:00", finished_at=None, duration=None
    )

    assert "2 min 0 s" in tidemill("runs").out


def test_documents_are_ascii_whatever_is_in_them(tidemill, add_run):
    add_run("k3f0000000", error=f"ValueError: {HOSTILE}", parameters={"far": float("inf")})

    ended = tidemill("runs", "--json")

    assert ended.out.isascii()
    assert "\x1b" not in ended.out
    (run,) = ended.document
    assert run["error"] == f"ValueError: {HOSTILE}"
    assert run["parameters"] == {"far": "inf"}


def test_show_a_run_tells_its_tasks_events_and_errors(tidemill, add_run, task):
    add_run(
        "k3f0000000",
        state="failed",
        error="ValueError: no tide",
        events=[
            {"at": "2026-11-22T02:00:00.000000+00:00", "state": "pending", "note": None},
            {"at": "2026-11-22T02:00:01.000000+00:00", "state": None, "note": "the log was cut"},
        ],
        tasks=[
            task("extract", result={"handler": "history", "location": None, "size": 9, "preview": "[1, 2, 3]"}),
            task(
                "load",
                1,
                state="failed",
                attempts=2,
                error={"type": "ValueError", "message": "no tide\nsecond line", "traceback": "Traceback...\n  line 3"},
                failed_attempts=[{"attempt": 1, "error": {"type": "OSError", "message": "busy", "traceback": None}}],
            ),
            task("mail", 2, state="upstream_failed", attempts=0, started_at=None, duration=None),
        ],
    )

    ended = tidemill("show", "nightly@last")

    assert "[1, 2, 3]" in ended.out
    assert "ValueError: no tide" in ended.out
    assert "load, try 1: OSError: busy" in ended.out
    assert "  Traceback..." in ended.out
    assert "the log was cut" in ended.out
    assert "upstream_failed" in ended.out


def test_show_a_run_as_a_document_is_the_readers(tidemill, add_run):
    record = add_run("k3f0000000")

    assert tidemill("show", "k3f", "--json").document == record


def test_show_a_flow_tells_what_it_takes_and_its_newest_runs(tidemill, add_flow, add_run):
    add_flow(
        "nightly",
        ("cron", "0 2 * * *"),
        parameters=[
            {"name": "day", "type": "date", "required": True, "default": None},
            {"name": "times", "type": "int", "required": False, "default": 3},
        ],
    )
    add_run("k3f0000000")

    ended = tidemill("show", "nightly")

    assert "nightly.py:7" in ended.out
    assert "catchup latest, grace 1 min 30 s, overlap skip" in ended.out
    assert "day        date  required" in ended.out
    assert "k3f0000000" in ended.out


def test_a_flow_whose_name_begins_a_run_is_the_flow_and_the_run_is_named(tidemill, add_flow, add_run):
    add_flow("k3f")
    add_run("k3f0000000")

    ended = tidemill("show", "k3f")

    assert "flow      k3f" in ended.out
    assert "k3f0000000" in ended.err


def test_show_nothing_helps(tidemill, add_flow):
    add_flow("nightly")

    ended = tidemill("show", "nightyl")

    assert ended.code == 4
    assert ended.err == "tidemill: there is no flow and no run 'nightyl'; did you mean nightly?\n"


def test_next_merges_schedules_and_marks_clock_changes(tidemill, add_flow, invocation):
    from datetime import UTC, datetime

    invocation.now = lambda: datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    add_flow("gap", ("cron", "30 2 * * *", "Europe/Berlin"))
    add_flow("other", ("every", "86400", "UTC"))
    add_flow("held", ("cron", "* * * * *"), paused=True)
    add_flow("gone", ("cron", "* * * * *"), active=False)

    ended = tidemill("next", "-n", "3")

    lines = ended.out.splitlines()
    assert "other" in lines[1]
    assert "gap" in lines[2]
    assert "Sun 2026-03-29 03:00:00 CEST" in lines[2]
    assert "2026-03-29 01:00:00Z" in lines[2]
    assert "after a DST gap" in lines[2]
    assert len(lines) == 4


def test_next_as_a_document_and_on_another_clock(tidemill, add_flow):
    add_flow("nightly", ("cron", "0 2 * * *", "Europe/Berlin"))

    assert tidemill("next", "nightly", "-n", "2", "--json").document == [
        {"flow": "nightly", "schedule": "cron 0 2 * * * (Europe/Berlin)", "at": "2026-11-23T01:00:00.000000+00:00"},
        {"flow": "nightly", "schedule": "cron 0 2 * * * (Europe/Berlin)", "at": "2026-11-24T01:00:00.000000+00:00"},
    ]
    assert "Mon 2026-11-23 10:00:00 JST" in tidemill("next", "nightly", "--tz", "Asia/Tokyo").out


def test_next_over_all_flows_is_the_next_moment_of_each(tidemill, add_flow):
    add_flow("nightly", ("cron", "0 2 * * *"), ("cron", "0 3 * * *"))
    add_flow("busy", ("every", "10", None))
    add_flow("by_hand")

    moments = tidemill("next", "--json").document

    assert [(moment["flow"], moment["at"][:16]) for moment in moments] == [
        ("busy", "2026-11-22T08:00"),
        ("nightly", "2026-11-23T02:00"),
    ]
    assert [moment["flow"] for moment in tidemill("next", "-n", "3", "--json").document] == ["busy"] * 3
    assert len(tidemill("next", "nightly", "--json").document) == 10


def test_schedules_without_a_zone_are_read_in_the_daemons(tidemill, add_flow, reader):
    reader.zone = "Asia/Kolkata"
    add_flow("nightly", ("cron", "0 2 * * *"))
    add_flow("berlin", ("cron", "0 2 * * *", "Europe/Berlin"))

    moments = {moment["flow"]: moment["at"] for moment in tidemill("next", "--json").document}

    assert moments["nightly"] == "2026-11-22T20:30:00.000000+00:00"
    assert moments["berlin"] == "2026-11-23T01:00:00.000000+00:00"
    assert "Mon 2026-11-23 02:00 IST" in tidemill("why", "nightly").out
    assert tidemill("show", "nightly", "--json").document["next_run_at"] == moments["nightly"]


def test_next_of_a_zone_that_does_not_exist_is_refused(tidemill, add_flow):
    add_flow("nightly", ("cron", "0 2 * * *"))

    ended = tidemill("next", "--tz", "Europe/Berln")

    assert ended.code == 2
    assert "Berl" in ended.err


@pytest.mark.parametrize(
    ("changes", "told"), [({"paused": True}, "tidemill resume nightly"), ({}, "run it with: tidemill run nightly")]
)
def test_next_of_a_flow_without_moments_says_why(tidemill, add_flow, changes, told):
    add_flow("nightly", *([("cron", "0 2 * * *")] if changes else []), **changes)

    assert told in tidemill("next", "nightly").out


def test_status_of_a_daemon(tidemill, daemon):
    daemon.answers = {
        "status": {
            "running": True,
            "pid": 42,
            "version": "0.1.0",
            "started_at": "2026-11-22T07:00:00.000000+00:00",
            "flows": 3,
            "paused": 1,
            "active_runs": 2,
            "queued_runs": 0,
            "flows_dir": "/flows",
            "state_dir": "/state",
            "database": "/db",
            "errors": [{"file": "bad.py", "line": 3, "message": "invalid syntax"}],
            "problem": "the history is locked",
        }
    }

    ended = tidemill("status")

    assert ended.code == 0
    assert "42" in ended.out
    assert "3, 1 of them paused" in ended.out
    assert "bad.py:3: invalid syntax" in ended.out
    assert "the history is locked" in ended.out


def test_status_without_a_daemon_tells_what_the_history_knows(tidemill):
    ended = tidemill("status")
    assert ended.code == 3
    assert "not running" in ended.out

    ended = tidemill("status", "--json")
    assert ended.code == 3
    status = ended.document
    assert set(status) == {
        "running",
        "pid",
        "version",
        "started_at",
        "flows",
        "paused",
        "active_runs",
        "queued_runs",
        "run_limits",
        "flows_dir",
        "state_dir",
        "database",
        "errors",
        "limits",
        "problem",
    }
    assert status["running"] is False
    assert (status["flows"], status["active_runs"]) == (2, 3)


def test_status_before_the_first_daemon_is_no_error_of_its_own(tidemill, invocation):
    invocation.paths.database.unlink()

    ended = tidemill("status", "--json")

    assert ended.code == 3
    assert ended.document["flows"] == 0


def test_graph_draws_each_task_once_below_what_it_needs(tidemill, add_flow):
    tasks = [
        {"index": 0, "name": "extract", "depends_on": []},
        {"index": 1, "name": "clean", "depends_on": [0]},
        {"index": 2, "name": "enrich", "depends_on": [0]},
        {"index": 3, "name": "load", "depends_on": [1, 2]},
    ]
    add_flow("nightly", manifest={"tasks": tasks})

    assert tidemill("graph", "nightly").out.splitlines() == [
        "extract",
        "├── clean",
        "└── enrich",
        "    └── load  needs clean too",
    ]
    assert "    t1 --> t3" in tidemill("graph", "nightly", "--mermaid").out
    assert '    t3 [label="load"];' in tidemill("graph", "nightly", "--dot").out
    assert tidemill("graph", "nightly", "--json").document[3] == {
        "name": "load",
        "depends_on": ["clean", "enrich"],
        "condition": "all_succeeded",
        "mapped": [],
        "runs": None,
    }
    assert tidemill("graph", "nightly", "--json", "--dot").code == 2


def test_graph_of_a_long_chain_is_drawn(tidemill, add_flow):
    add_flow(
        "chain",
        manifest={"tasks": [{"index": n, "name": f"t{n}", "depends_on": [n - 1] if n else []} for n in range(1500)]},
    )

    assert len(tidemill("graph", "chain").out.splitlines()) == 1500


def test_graph_of_a_function_flow_that_has_not_run_says_how_to_see_one(tidemill, add_flow):
    add_flow("dynamic")

    assert tidemill("graph", "dynamic").out == (
        "dynamic calls its tasks as it runs; it has not run yet: tidemill run dynamic\n"
    )
    assert tidemill("graph", "dynamic", "--json").document == []


def test_graph_of_a_function_flow_draws_the_tasks_of_its_newest_run(tidemill, add_flow, add_run):
    add_flow("dynamic")
    add_run("k3f00000", flow="dynamic", tasks=[{"name": "fetch"}, *({"name": f"load[{n}]"} for n in range(3))])

    drawn = tidemill("graph", "dynamic")
    assert drawn.out.splitlines()[1:] == ["fetch", "load  3 times"]
    assert "those of its newest run: tidemill show dynamic@last" in drawn.out
    mermaid = tidemill("graph", "dynamic", "--mermaid")
    assert mermaid.out.splitlines() == ["flowchart TD", '    t0["fetch"]', '    t1["load<br/>3 times"]']
    assert "tidemill show dynamic@last" in mermaid.err
    assert tidemill("graph", "dynamic", "--json").document[1] == {
        "name": "load",
        "depends_on": None,
        "condition": None,
        "mapped": None,
        "runs": 3,
    }


def test_graph_says_where_mermaid_will_not_draw(tidemill, add_flow):
    tasks = [{"index": n, "name": f"t{n}", "depends_on": list(range(max(0, n - 30), n))} for n in range(50)]
    add_flow("dense", manifest={"tasks": tasks})

    assert "Mermaid draws 500 lines, and there are 1035" in tidemill("graph", "dense", "--mermaid").err


@pytest.mark.parametrize(
    ("result", "out", "err"),
    [
        ({"value": {"rows": 3}, "encoding": "json"}, '{\n  "rows": 3\n}\n', ""),
        ({"value": "plain", "encoding": "json"}, "plain\n", ""),
        ({"value": None, "encoding": "json", "preview": "null"}, "null\n", ""),
        (
            {"encoding": "cloudpickle", "preview": "<Frame 3x4>"},
            "<Frame 3x4>\n",
            "(1.5 kB in the history, as cloudpickle; this is its preview)\n",
        ),
        (
            {"encoding": "csv", "location": "/r/x.csv", "preview": "a,b"},
            "a,b\n",
            "(1.5 kB at /r/x.csv; this is its preview)\n",
        ),
        (
            {"handler": "items", "encoding": "items", "preview": "5 items"},
            "5 items\n",
            "(each has a result of its own: tidemill result k3f0000000 'load[0]')\n",
        ),
    ],
)
def test_result_prints_json_whole_and_a_preview_of_the_rest(tidemill, reader, add_run, result, out, err):
    add_run("k3f0000000")
    reader.results["k3f0000000", "load"] = {
        "run": "k3f0000000",
        "task": "load",
        "handler": "history",
        "location": None,
        "size": 1500,
        "preview": "",
        "encoding": None,
        "value": None,
        **result,
    }

    ended = tidemill("result", "k3f", "load")

    assert (ended.code, ended.out, ended.err) == (0, out, err)


def test_config_tells_each_value_and_its_source(tidemill, invocation):
    ended = tidemill("config")
    assert "places.flows_dir" in ended.out
    assert "option" in ended.out

    values = {value["name"]: value for value in tidemill("config", "--json").document}
    assert values["places.flows_dir"]["source"] == "option"
    assert values["dispatch.max_runs"] == {"name": "dispatch.max_runs", "value": 8, "source": "default"}


def test_config_lists_the_limits(tidemill, invocation):
    from tidemill.config.settings import Settings
    from tidemill.domain.limits import Limit

    settings = Settings(limits={"database": Limit(2), "api": Limit(10, 0.5)})
    invocation.__dict__["_loaded"] = (settings, {"limits": "file"})

    values = tidemill("config", "--json").document[-2:]

    assert values == [
        {"name": "limits.database", "value": 2, "source": "file"},
        {"name": "limits.api", "value": {"slots": 10, "per_second": 0.5}, "source": "file"},
    ]
    assert "10, 0.5 a second" in tidemill("config").out


def test_config_keeps_a_password_to_itself(tidemill, invocation):
    from tidemill.config.settings import Places, Settings

    settings = Settings(places=Places(database_url="postgresql+psycopg://me:hush@host/db"))
    invocation.__dict__["_loaded"] = (settings, {})

    ended = tidemill("config")

    assert "hush" not in ended.out
    assert "me:***@host" in ended.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(tidemill, shell):
    ended = tidemill("completion", shell)

    assert ended.code == 0
    assert "_TIDEMILL_COMPLETE" in ended.out


@pytest.mark.parametrize(
    "command", ["flows", "runs", "show k3f", "show evil", "next", "graph evil", "why evil", "result k3f"]
)
def test_nothing_from_a_flow_reaches_the_terminal_as_a_control(tidemill, reader, add_flow, add_run, task, command):
    add_flow(HOSTILE, ("cron", "0 2 * * *"), error=HOSTILE, description=HOSTILE, file=HOSTILE, tags=[HOSTILE])
    add_flow(
        "evil",
        ("cron", "0 2 * * *"),
        description=HOSTILE,
        error=HOSTILE,
        parameters=[{"name": HOSTILE, "type": HOSTILE, "required": False, "default": HOSTILE}],
        manifest={"tasks": [{"index": 0, "name": HOSTILE, "depends_on": []}]},
    )
    error = {"type": HOSTILE, "message": HOSTILE, "traceback": HOSTILE}
    add_run(
        "k3f0000000",
        HOSTILE,
        state="failed",
        error=HOSTILE,
        parameters={"p": HOSTILE},
        note=HOSTILE,
        failure=error,
        events=[{"at": "2026-11-22T02:00:00.000000+00:00", "state": "running", "note": HOSTILE}],
        tasks=[task(HOSTILE, state="failed", error=error, failed_attempts=[{"attempt": 1, "error": error}])],
    )
    reader.results["k3f0000000", None] = {
        "handler": HOSTILE,
        "location": HOSTILE,
        "size": 1,
        "preview": HOSTILE,
        "encoding": HOSTILE,
        "value": None,
    }

    ended = tidemill(*command.split())

    assert ended.code == 0
    shown = (ended.out + ended.err).replace("\n", "")
    assert not any(ord(sign) < 0x20 or 0x7F <= ord(sign) <= 0x9F or sign == "\u202e" for sign in shown)


def test_a_flow_whose_file_is_gone_can_still_be_looked_at(tidemill, reader, add_flow):
    gone = add_flow("gone", ("cron", "0 2 * * *"), active=False)
    reader.flows = list
    reader.flow = lambda name: gone

    shown = tidemill("show", "gone")

    assert shown.code == 0
    assert "its file is not in the folder of flows" in shown.out
    assert "is not in the folder of flows" in tidemill("next", "gone").out


def test_a_name_that_is_a_broken_files_is_told_so(tidemill, add_flow):
    add_flow(None, file="sub/bad.py", error="sub/bad.py:9: no module named x")

    for command in ("graph", "show", "next"):
        ended = tidemill(command, "bad")
        assert (ended.code, ended.err.count("sub/bad.py:9: no module named x")) == (4, 1)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://me:sec:r@t@db:5432/tides?x=a@b", "postgresql+psycopg://me:***@db:5432/tides?x=a@b"),
        ("postgresql://me@db/tides", "postgresql://me@db/tides"),
        ("postgresql:///tides", "postgresql:///tides"),
        ("/var/lib/tidemill/history.db", "/var/lib/tidemill/history.db"),
    ],
)
def test_the_password_of_a_database_is_never_printed(tidemill, daemon, url, shown):
    daemon.answers = {
        "status": {"running": True, "pid": 1, "version": "0.1.0", "started_at": None, "flows": 0, "paused": 0,
                   "active_runs": 0, "queued_runs": 0, "flows_dir": "/f", "state_dir": "/s", "database": url,
                   "errors": []},
    }  # fmt: skip

    assert tidemill("status", "--json").document["database"] == shown
    assert shown in tidemill("status").out


def test_a_state_directory_of_somebody_else_is_told_in_a_sentence(tidemill, invocation, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    del invocation.__dict__["reader"]
    monkeypatch.setattr("pathlib.Path.exists", refuse)

    ended = tidemill("runs")

    assert ended.code == 6
    assert "only its owner may" in ended.err
