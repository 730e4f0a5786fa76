"""The command line's contract, with a real daemon: fields and their types, outcomes, exit codes, terminals."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from history_lab import postgresql
from terminal_lab import at_a_terminal

__all__ = ["postgresql"]

MIXED = '''
    """Fetches, counts, fails."""
    from tidemill import Flow, LocalResult, cron, every, task

    @task
    def fetch():
        return [0, 1, 2]

    @task
    def ask(region: str, limit: int = 3):
        return region * limit

    @task(depends_on=[fetch], result_handler=LocalResult(dir="out"))
    def count(fetch):
        return {"rows": len(fetch)}

    @task
    def fall():
        raise ValueError("one line\\nand \\x1b[2Jmore")

    night = cron("30 2 * * *", timezone="Europe/Berlin")
    mixed = Flow("mixed", tasks=[fetch, count], schedule=night, tags=["tides"])
    falls = Flow("falls", tasks=[fall])
    asks = Flow("asks", tasks=[ask], schedule=[every(hours=3, parameters={"region": "west"})])
'''

WHENEVER = """
    import time
    from tidemill import Flow, every, task

    @task
    def quick():
        pass

    @task
    def slow():
        time.sleep(3)

    over = Flow("over", tasks=[slow], schedule=every(seconds=1), overlap="skip", catchup="none")
    newest = Flow("newest", tasks=[quick], schedule=every(seconds=1), catchup="latest")
    never = Flow("never", tasks=[quick], schedule=every(seconds=1), catchup="none")
    patient = Flow("patient", tasks=[quick], schedule=every(seconds=1), catchup="all")
    strict = Flow("strict", tasks=[quick], schedule=every(seconds=1), catchup="all", grace=2)
"""

TIME = "a time in UTC with offset"
OPTIONAL_TIME = "such a time, or null"
SECONDS = "seconds, or null"
TEXT = "text, or null"

RUN = {
    "id": str, "flow": str, "state": str, "trigger": str, "scheduled_for": OPTIONAL_TIME, "queued_at": TIME,
    "started_at": OPTIONAL_TIME, "finished_at": OPTIONAL_TIME, "duration": SECONDS, "attempt": int, "parent": TEXT,
    "parameters": dict, "error": TEXT, "version": TEXT,
}  # fmt: skip
TASK = {
    "name": str, "index": int, "state": str, "attempts": int, "started_at": OPTIONAL_TIME,
    "finished_at": OPTIONAL_TIME, "duration": SECONDS,
}  # fmt: skip
FLOW = {
    "name": str, "file": str, "description": TEXT, "tags": list, "schedules": list, "next_run_at": OPTIONAL_TIME,
    "paused": bool, "parameters": list, "error": TEXT,
}  # fmt: skip
STATUS = {
    "running": bool, "flows": int, "paused": int, "active_runs": int, "queued_runs": int, "flows_dir": str,
    "state_dir": str, "database": str, "errors": list,
}  # fmt: skip


def check(record: dict[str, Any], shape: dict[str, Any]) -> None:
    """Hold a record against the types of its fields; there may be more fields, never fewer."""
    for field, kind in shape.items():
        value = record[field]
        if kind in (OPTIONAL_TIME, SECONDS, TEXT) and value is None:
            continue
        if kind in (TIME, OPTIONAL_TIME):
            assert datetime.fromisoformat(value).utcoffset() == timedelta(0), (field, value)
        elif kind == SECONDS:
            assert isinstance(value, float), (field, value)
        else:
            assert type(value) is (str if kind == TEXT else kind), (field, value)


def test_every_field_of_the_contract_is_there_and_of_its_type(daemon):
    daemon.drop("mixed.py", MIXED)
    daemon.drop("broken.py", "def (\n")
    daemon.start()
    daemon.run("mixed")
    daemon.run("falls", check=1)
    daemon.run("asks", "-p", "region=east", "-p", "limit=2")

    status = daemon.json("status")
    check(status, STATUS | {"pid": int, "version": str, "started_at": TIME})
    assert (status["flows"], status["errors"][0]["line"]) == (3, 1)

    flows = {flow["name"]: flow for flow in daemon.json("flows")}
    for name in ("mixed", "falls", "asks"):
        check(flows[name], FLOW)
        check(flows[name]["last_run"], {"id": str, "state": str, "started_at": TIME, "duration": SECONDS})
    (schedule,) = flows["mixed"]["schedules"]
    check(schedule, {"kind": str, "expression": str, "timezone": str, "next": TIME})
    assert schedule["next"] == flows["mixed"]["next_run_at"]
    assert flows["asks"]["parameters"] == [
        {"name": "region", "type": "str", "required": True, "default": None},
        {"name": "limit", "type": "int", "required": False, "default": 3},
    ]
    assert "broken.py:1" in flows[None]["error"]

    for run in daemon.json("runs"):
        check(run, RUN)
    mixed, falls = (daemon.json("show", f"{name}@last") for name in ("mixed", "falls"))
    for run in (mixed, falls):
        check(run, RUN)
        for task in run["tasks"]:
            check(task, TASK)
        for event in run["events"]:
            check(event, {"at": TIME, "state": str, "note": TEXT})
    check(mixed["tasks"][1]["result"], {"handler": str, "location": str, "size": int, "preview": str})
    check(falls["tasks"][0]["error"], {"type": str, "message": str, "traceback": str})
    assert mixed["tasks"][1]["error"] is None
    assert falls["tasks"][0]["result"] is None
    assert "\n" not in falls["error"]
    assert daemon.json("runs", "--flow", "asks")[0]["parameters"] == {"region": "east", "limit": 2}
    assert daemon.cli("result", "mixed@last").stdout == '{\n  "rows": 3\n}\n'

    moments = daemon.json("next")
    assert {moment["flow"] for moment in moments} == {"mixed", "asks"}
    for moment in moments:
        check(moment, {"flow": str, "schedule": str, "at": TIME})
    why = {"flow": str, "at": OPTIONAL_TIME, "outcome": str, "run": TEXT, "reason": str}
    for name, outcome in (("mixed", "upcoming"), ("falls", "not_due"), ("broken", "broken")):
        answer = daemon.json("why", name)
        check(answer, why)
        assert answer["outcome"] == outcome

    for file in daemon.json("check", check=1):
        check(file, {"file": str, "flows": list, "errors": list, "warnings": list})
        for error in file["errors"]:
            check(error, {"line": int, "message": str})

    # The clock of whoever asks is not the daemon's.
    daemon.environment["TZ"] = "Asia/Kolkata"
    assert daemon.json("flows")[0]["next_run_at"] == flows["asks"]["next_run_at"]

    daemon.terminate()
    status = daemon.json("status", check=3)
    check(status, STATUS)
    assert (status["pid"], status["version"], status["started_at"], status["errors"][0]["line"]) == (
        None,
        None,
        None,
        1,
    )
    assert "the daemon is not running" in daemon.cli("why", "mixed").stdout


def test_every_moment_of_a_night_without_a_daemon_is_explained(daemon):
    daemon.drop("whenever.py", WHENEVER)
    daemon.start()
    daemon.until_run("never", "completed")
    daemon.until(lambda: any(a["outcome"] == "skipped" for a in answers(daemon, "over", 3)), "a moment is skipped")
    begun = datetime.now(UTC)
    daemon.kill()
    time.sleep(4.2)
    assert "will be judged when it starts" in daemon.cli("why", "never").stdout
    daemon.start()
    ended = datetime.now(UTC)
    daemon.until(lambda: daemon.json("why", "never")["outcome"] == "ran", "moments come due again")

    # The moments in the middle of the night, and the last, which the new daemon made up for or not.
    middle = begun.replace(microsecond=0) + timedelta(seconds=2)
    outcomes = {name: daemon.json("why", name, "--at", middle.isoformat()) for name in ("newest", "never", "patient")}
    assert {name: answer["outcome"] for name, answer in outcomes.items()} == {
        "newest": "coalesced",
        "never": "missed",
        "patient": "late",
    }
    strict = [answer["outcome"] for answer in answers(daemon, "strict", 25)]
    assert {"missed", "late", "ran"} <= set(strict), strict
    made_up = daemon.json("show", outcomes["newest"]["run"])
    assert begun < datetime.fromisoformat(made_up["scheduled_for"]) <= ended + timedelta(seconds=3)
    assert daemon.json("show", outcomes["patient"]["run"])["scheduled_for"][:19] == middle.isoformat()[:19]
    for name in ("over", "newest", "never", "patient", "strict"):
        for options in ((), ("--at", middle.isoformat())):
            sentence = daemon.cli("why", name, *options).stdout
            assert sentence.startswith(f"{name} "), sentence
            assert sentence.count("\n") == 1, sentence


def answers(daemon: Any, flow: str, seconds: int) -> list[dict[str, Any]]:
    """Ask why about each of the last so many seconds, in this process: fifty commands would take ten."""
    from tidemill.history.reader import open_reader

    now = datetime.now(UTC).replace(microsecond=0)
    reader = open_reader(daemon.state / "history.db")
    try:
        found = (reader.occurrence(flow, now - timedelta(seconds=back)) for back in range(seconds))
        return [row for row in found if row is not None]
    finally:
        reader.close()


def test_exit_codes_are_those_of_the_contract(daemon):
    daemon.drop("mixed.py", MIXED)
    assert daemon.cli("run", "mixed", check=3).stderr.startswith("tidemill: the daemon is not running")
    daemon.start()
    run = daemon.run("falls", check=1)
    for code, *line in (
        (0, "run", "mixed", "--wait"),
        (2, "run", "mixed", "--frobnicate"),
        (2, "run", "asks"),
        (2, "why", "mixed", "--at", "noonish"),
        (4, "run", "mixd"),
        (4, "show", "zzzzz"),
        (4, "logs", "nosuch@last"),
        (0, "pause", "mixed"),
        (0, "pause", "mixed"),
        (6, "run", "mixed"),
        (0, "run", "mixed", "--force", "--wait"),
        (0, "resume", "mixed"),
        (0, "resume", "mixed"),
        (6, "cancel", run["id"]),
        (6, "retry", "mixed@last"),
        (1, "retry", run["id"][:6], "--wait"),
    ):
        done = daemon.cli(*line, check=code)
        if code > 1:
            (sentence, *_) = done.stderr.splitlines()
            assert sentence.startswith("tidemill: ")
            assert not done.stdout
    (daemon.folder / "bad.toml").write_text("[dispatch]\nmax_run = 3\n")
    done = daemon.cli("--config", "bad.toml", "status", check=5)
    assert "bad.toml:2: there is no setting dispatch.max_run; did you mean max_runs?" in done.stderr


def test_a_person_who_stops_watching_a_run_does_not_stop_the_run(daemon):
    daemon.drop(
        "tide.py",
        """
        import time
        from tidemill import task

        @task
        def rise():
            time.sleep(3)
        """,
    )
    daemon.start()
    daemon.until_flow("tide")

    code, shown = at_a_terminal(daemon, "run", "tide", "--wait", interrupt="rise")

    (uid,) = re.findall(r"the run goes on; end it with: tidemill cancel (\w+)", shown)
    assert code == 130
    assert "0/1 tasks" in shown

    # Another one waits for it, and may be cancelled more than once.
    waiting = daemon.cli("run", "tide").stdout.strip()
    told = daemon.cli("cancel", waiting, waiting).stdout
    assert "pending" not in told, told
    assert "was cancelled already" in daemon.cli("cancel", waiting).stdout
    daemon.until(lambda: daemon.json("show", uid)["state"] not in ("running", "retrying"), "the run ends")
    assert daemon.json("show", uid)["state"] == "completed"

    code, shown = at_a_terminal(daemon, "runs")
    assert code == 0
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert uid in shown


def test_the_folder_that_init_makes_runs_as_it_says(daemon):
    del daemon.environment["TIDEMILL_FLOWS_DIR"], daemon.environment["TIDEMILL_STATE_DIR"]
    told = daemon.cli("init", "tides").stdout
    assert "Begin with: cd tides && tidemill daemon" in told
    daemon.folder /= "tides"
    daemon.start()

    daemon.until_flow("hello")
    run = daemon.run("hello")

    assert run["state"] == "completed"
    assert "2 tides: ebb, flood" in daemon.cli("logs", "hello@last").stdout
    assert daemon.json("status")["state_dir"] == str(daemon.folder / ".tidemill")
    assert daemon.terminate() == 0


def test_a_history_on_postgresql_serves_daemon_and_commands(daemon, postgresql):
    daemon.environment["TIDEMILL_DATABASE_URL"] = postgresql
    daemon.drop("mixed.py", MIXED)
    daemon.start()
    daemon.run("mixed")
    failed = daemon.run("falls", check=1)
    daemon.cli("retry", failed["id"], "--wait", check=1)

    assert daemon.json("result", "mixed@last", "fetch")["value"] == [0, 1, 2]
    assert daemon.json("result", "mixed@last")["value"] == {"rows": 3}
    assert daemon.json("why", "mixed")["outcome"] == "upcoming"
    assert "ValueError" in daemon.cli("logs", failed["id"]).stdout
    assert not (daemon.state / "history.db").exists()
    daemon.terminate()

    assert [run["flow"] for run in daemon.json("runs")] == ["falls", "falls", "mixed"]
    daemon.cli("run", "flows/mixed.py:mixed")
    assert [(run["flow"], run["state"]) for run in daemon.json("runs", "-n", "1")] == [("mixed", "completed")]
