import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from engine_lab import write_flow
from tidemill.domain.events import RunEnded
from tidemill.domain.runs import RunOrder
from tidemill.journal.reader import JournalReader

FLOW = """
import sys
from tidemill import flow, get_run_logger, task

@task(retries=1)
def shaky(seen=[]):
    seen.append(1)
    if len(seen) == 1: raise ValueError("first")
    return 1

@flow
def etl(n: int):
    print("number", n)
    print("to stderr", file=sys.stderr)
    get_run_logger().info("logged")
    if n < 0: raise ValueError("negative")
    return shaky()
"""


@pytest.fixture
def run(tmp_path):
    path = write_flow(tmp_path / "flows", FLOW)

    def go(flow="", **parameters):
        order = RunOrder(
            run="0123456789",
            flow=flow,
            path=str(path),
            sources={},
            root=str(path.parent),
            journal=str(tmp_path / "journals" / "01" / "j"),
            log=str(tmp_path / "logs" / "01" / "l"),
            results_dir=str(tmp_path / "results"),
            parameters=parameters,
        )
        (tmp_path / "order.json").write_bytes(msgspec.json.encode(order))
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "daemon")}
        command = [sys.executable, "-P", "-m", "tidemill.engine", str(tmp_path / "order.json")]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        with closing(JournalReader(order.journal)) as reader:
            events, _ = reader.read(1_000_000)
        return done, events, Path(order.log).read_text()

    return go


def test_a_run_in_a_terminal_shows_its_output_and_records_it_as_well(run):
    done, events, log = run(n="3")

    assert done.returncode == 0
    assert done.stdout == "number 3\n"
    assert done.stderr.splitlines() == [
        "to stderr",
        "INFO logged",
        "shaky: attempt 1 failed, the next begins in 0 s: ValueError: first",
    ]
    assert isinstance(events[-1], RunEnded)
    assert "[-] OUT number 3" in log
    assert "[shaky] WARNING attempt 1 failed" in log


def test_a_run_in_a_terminal_that_fails_says_why_and_exits_with_1(run):
    done, events, _ = run(n="-1")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "etl failed: ValueError: negative"
    assert events[-1].state == "failed"


def test_a_run_in_a_terminal_names_the_parameter_that_is_missing(run):
    done, _, _ = run()

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "etl failed: ParameterError: flow etl needs the parameter n: give -p n=…\n"
