"""Results that an author keeps elsewhere, seen through the daemon and the CLI."""

import pytest

from result_servers import S3Server

FLOW = """
from pathlib import Path
from tidemill import DatabaseResult, Flow, LocalResult, task


class Trap:
    def __reduce__(self):
        return Path.touch, (Path.cwd() / "sprung",)


def count(name):
    with Path(f"{name}.calls").open("a") as calls:
        calls.write("x")


@task(result_handler=LocalResult("kept", name="{flow}/{task}"))
def plain():
    count("plain")
    return {"rows": [1, 2, 3]}


@task(result_storage="sqlite:///kept/results.db")
def stored():
    count("stored")
    return {"sum": 6}


@task(result_handler=LocalResult("kept", "compressed/pickle"))
def trap():
    return Trap()


@task
def check(plain, stored):
    if not Path("ready").exists():
        raise ValueError("not ready")
    return sum(plain["rows"]) == stored["sum"]


nightly = Flow("nightly", tasks=[plain, stored, trap, check])
"""


def test_results_are_shown_read_back_by_a_retry_and_never_unpickled(daemon):
    daemon.drop("nightly.py", FLOW)
    daemon.start()
    daemon.until_flow("nightly")
    run = daemon.run("nightly", check=1)
    kept = {task["name"]: task["result"] for task in run["tasks"]}

    path = daemon.flows / "kept" / "nightly" / "plain.json"
    assert (kept["plain"]["handler"], kept["plain"]["location"]) == ("LocalResult", str(path))
    assert kept["stored"]["handler"] == "DatabaseResult"
    assert (
        kept["stored"]["location"] == f"sqlite:///{daemon.flows}/kept/results.db#tidemill_results/{run['id']}/stored/1"
    )
    assert daemon.json("result", run["id"], "plain")["value"] == {"rows": [1, 2, 3]}
    told = daemon.cli("result", run["id"], "stored")
    assert told.stdout.strip() == '{"sum":6}'
    assert f"at {kept['stored']['location']}; this is its preview" in " ".join(told.stderr.split())
    assert "Trap object" in daemon.cli("result", run["id"], "trap").stdout
    assert not (daemon.flows / "sprung").exists()

    (daemon.flows / "ready").touch()
    daemon.cli("retry", run["id"], "--wait")

    again = daemon.until_run("nightly", "completed")
    assert {task["name"]: task["state"] for task in daemon.json("show", again["id"])["tasks"]}["check"] == "completed"
    assert (daemon.flows / "plain.calls").read_text() == (daemon.flows / "stored.calls").read_text() == "x"
    assert daemon.json("result", again["id"], "check")["value"] is True


CLOUD = """
from pathlib import Path
from tidemill import flow, task


@task
def load(n):
    with Path("load.calls").open("a") as calls:
        calls.write("x")
    return [n] * n


@flow(result_storage="s3://results/flows", result_serializer="pickle")
def main():
    total = sum(map(len, load.map(range(4)).result()))
    if not Path("ready").exists():
        raise ValueError("not ready")
    return total
"""


@pytest.fixture
def s3(tmp_path):
    server = S3Server(tmp_path)
    server.start()
    yield server
    server.stop()


def test_a_flow_keeps_everything_in_the_cloud_and_a_retry_reads_it_back(daemon, s3):
    daemon.environment |= s3.environment()
    daemon.drop("clouded.py", CLOUD)
    daemon.start()
    daemon.until_flow("main")
    run = daemon.run("main", check=1)
    (daemon.flows / "ready").touch()
    daemon.cli("retry", run["id"], "--wait")

    again = daemon.json("show", daemon.until_run("main", "completed")["id"])
    locations = [task["result"]["location"] for task in again["tasks"]]
    assert locations == [f"s3://results/flows/main-{run['id']}-{index}-load.pickle" for index in range(4)]
    assert again["result"]["location"] == f"s3://results/flows/main-{again['id']}-result-main.pickle"
    assert again["result"]["preview"] == "6"
    assert (daemon.flows / "load.calls").read_text() == "xxxx"


HALF = """
import os
import signal
from pathlib import Path
from tidemill import task

os.fdatasync = lambda descriptor: Path("go").exists() or os.kill(os.getpid(), signal.SIGKILL)

@task
def big():
    return "x" * 300_000
"""


def test_what_a_killed_run_had_begun_to_write_is_removed(daemon):
    daemon.drop("half.py", HALF)
    daemon.start()
    daemon.until_flow("half")
    run = daemon.run("half", check=1)
    assert daemon.until_run("half", "crashed")["id"] == run["id"]
    folder = daemon.state / "results" / run["id"][:2] / run["id"]
    assert folder.is_dir(), "nothing was begun, so nothing is proven"
    daemon.until(lambda: list(folder.iterdir()) == [], "an empty folder")

    (daemon.flows / "go").touch()
    whole = daemon.run("half")
    assert [path.stat().st_size for path in folder.parents[1].glob(f"*/{whole['id']}/*")] == [300_002]
