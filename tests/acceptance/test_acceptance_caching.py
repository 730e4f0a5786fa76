"""Cached tasks and transactions under a real daemon: what runs, terminals and retries make of them."""

import json
import os
import signal
import stat

FLOW = """
    import os
    from datetime import timedelta
    from tidemill import flow, task
    from tidemill.cache_policies import INPUTS, TASK_SOURCE

    @task(cache_policy=INPUTS + TASK_SOURCE)
    def load(day):
        print("loading", day)
        return {"day": day, "rows": ["x" * 1000] * 100}

    @task(cache_policy=INPUTS, cache_expiration=timedelta(microseconds=1))
    def price(day):
        return len(day)

    @task(cache_policy=TASK_SOURCE, refresh_cache=True)
    def always():
        return os.getpid()

    @flow
    def etl(day: str = "monday"):
        return [len(load(day)["rows"]), price(day), always()]
"""


def states(run):
    return {task["name"]: task["state"] for task in run["tasks"]}


def test_the_second_run_takes_what_the_first_one_computed(daemon):
    daemon.start()
    path = daemon.drop("etl.py", FLOW)
    daemon.until_flow("etl")

    first, second = daemon.run("etl"), daemon.run("etl")
    assert states(first) == {"load": "completed", "price": "completed", "always": "completed"}
    assert states(second) == {"load": "cached", "price": "completed", "always": "completed"}
    assert second["state"] == "completed"
    cached = second["tasks"][0]
    assert (cached["attempts"], cached["started_at"], cached["error"]) == (0, None, None)
    assert cached["result"]["location"] != first["tasks"][0]["result"]["location"]
    assert json.loads(daemon.cli("result", second["id"], "load").stdout)["day"] == "monday"
    assert f"cached: what load of run {first['id']} computed at" in daemon.cli("logs", second["id"]).stdout

    # The same cache in a terminal, where it is another flow file's process without the daemon's help.
    daemon.cli("run", str(path))
    assert states(daemon.json("show", "last")) == states(second)
    assert states(daemon.run("etl", "-p", "day=tuesday"))["load"] == "completed"

    # A changed source is another task.
    version = daemon.json("runs", "-n", "1")[0]["version"]
    daemon.drop("etl.py", FLOW.replace("loading", "fetching"))
    changed = daemon.until(lambda: (run := daemon.run("etl"))["version"] != version and run, "the new version runs")
    assert states(changed)["load"] == "completed"


def test_the_cache_is_the_owner_s_alone_and_a_lost_value_is_computed_again(daemon):
    daemon.start()
    daemon.drop("etl.py", FLOW)
    daemon.until_flow("etl")
    daemon.run("etl")
    cache = daemon.state / "results" / "cache"
    files = [path for path in cache.rglob("*") if path.is_file()]

    assert {path.suffix for path in files} == {".record", ".json"}
    assert all(stat.S_IMODE(path.parent.stat().st_mode) == 0o700 for path in files if path.suffix == ".record")
    for path in files:
        if path.suffix != ".record":
            path.unlink()
    again = daemon.run("etl")
    assert states(again)["load"] == "completed"
    assert "executed again, because what task load of run" in daemon.cli("logs", again["id"]).stdout
    assert states(daemon.run("etl"))["load"] == "cached"


TRANSACTION = """
    import os
    from pathlib import Path
    from tidemill import flow, task
    from tidemill.transactions import get_transaction, transaction

    @task
    def before():
        return "kept"

    @task
    def write(name):
        get_transaction().set("file", name)
        Path(name).write_text("side effect")

    @write.on_rollback
    def unlink(txn):
        os.unlink(txn.get("file"))

    @task
    def check():
        if not Path("good").exists():
            raise ValueError("not enough data")

    @task
    def pause():
        import time
        while Path("pause").exists():
            time.sleep(0.01)

    @flow
    def etl():
        before()
        with transaction():
            write("side-effect.txt")
            pause()
            check()
"""


def test_a_transaction_that_fails_is_undone_and_a_retry_executes_it_again(daemon):
    daemon.start()
    daemon.drop("etl.py", TRANSACTION)
    daemon.until_flow("etl")

    failed = daemon.run("etl", check=1)
    assert states(failed) == {"before": "completed", "write": "cancelled", "pause": "cancelled", "check": "failed"}
    assert failed["tasks"][1]["error"]["type"] == "RolledBack"
    assert not (daemon.flows / "side-effect.txt").exists()
    assert any("rolled back: pause, write (ValueError" in (event["note"] or "") for event in failed["events"])

    (daemon.flows / "good").touch()
    daemon.cli("retry", failed["id"])
    retried = daemon.until_run("etl", "completed")
    assert states(daemon.json("show", retried["id"])) == {
        "before": "cached",
        "write": "completed",
        "pause": "completed",
        "check": "completed",
    }
    assert (daemon.flows / "side-effect.txt").exists()


def test_a_process_that_dies_in_a_transaction_has_completed_none_of_it(daemon):
    daemon.start()
    (daemon.flows / "pause").touch()
    (daemon.flows / "good").touch()
    daemon.drop("etl.py", TRANSACTION)
    daemon.until_flow("etl")
    daemon.cli("run", "etl")
    daemon.until((daemon.flows / "side-effect.txt").exists, "the transaction is open")
    running = daemon.json("runs", "--flow", "etl", "-n", "1")[0]["id"]
    os.kill(process_of(daemon, running), signal.SIGKILL)
    crashed = daemon.json("show", daemon.until_run("etl", "crashed")["id"])

    assert states(crashed) == {"before": "completed", "write": "crashed", "pause": "crashed"}
    assert any("a transaction is open: if it fails, write" in (event["note"] or "") for event in crashed["events"])
    (daemon.flows / "pause").unlink()
    daemon.cli("retry", running)
    retried = daemon.json("show", daemon.until_run("etl", "completed")["id"])
    assert (states(retried)["before"], states(retried)["write"]) == ("cached", "completed")


def process_of(daemon, run):
    journal = next((daemon.state / "journals").rglob(f"{run}*.journal"))
    return json.loads(journal.read_text().splitlines()[0])[2]
