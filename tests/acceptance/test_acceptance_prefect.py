"""A Prefect user's file with its import line changed: dropped, run with parameters, killed and retried."""

import json

FILE = """
    import asyncio, os, signal
    from dataclasses import dataclass
    from datetime import date
    from enum import Enum
    from pathlib import Path
    from typing import Literal, Optional
    from tidemill import flow, runtime, task

    class Colour(Enum):
        RED = "red"

    @dataclass
    class Row:
        amount: int
        day: Optional[date] = None

    def name_of_run():
        return f"{runtime.flow_run.flow_name}-{runtime.flow_run.parameters['n']}"

    @flow(flow_run_name=name_of_run, log_prints=True)
    def takes(n: int, row: Row, rows: list[Row] = [], colour: Colour = "red", kind: Literal["a", "b"] = "a",
              where: Path = "x", *rest, **others):
        print(row, rows, colour, kind, where, rest, others)

    def ran(what):
        with open("ran", "a") as file:
            file.write(f"{what}\\n")

    @task
    def double(n):
        ran("double")
        return 2 * n

    @task
    async def later(n):
        ran("later")
        return Row(n)

    @task
    def stream():
        ran("stream")
        yield from range(3)

    class Shop:
        def __init__(self, n):
            self.n = n

        @task
        def own(self, x):
            ran("own")
            return self.n + x

    @flow
    def child(n):
        ran("child")
        return [double.submit(n), double.submit(n + 1)]

    @flow
    async def async_child(n):
        ran("async_child")
        return await later(n)

    @flow
    def deep(n):
        return 0 if n == 0 else 1 + deep(n - 1)

    @flow
    def all_of_it():
        assert asyncio.run(async_child(7)) == Row(7)
        assert list(stream()) == [0, 1, 2]
        assert Shop(3).own(1) == 4
        assert [state.result() for state in child(1)] == [2, 4]
        assert double.map([1, 2]).result() == [2, 4]
        assert deep(20) == 20
        if not Path("go").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return [double.submit(5), "done"]

    if __name__ == "__main__":
        all_of_it.serve(name="mine", cron="* * * * *")
        takes.deploy("mine", work_pool_name="pool")
"""


def test_parameters_of_every_kind_come_from_the_command_line(daemon):
    daemon.drop("prefect.py", FILE)
    daemon.start()
    given = [
        "n=3",
        'row={"amount": "1"}',
        'rows=[{"amount": 2, "day": "2026-11-22"}]',
        "kind=b",
        "rest=[4, 5]",
        "more=6",
    ]

    daemon.cli("run", "takes", *(part for text in given for part in ("-p", text)), "--wait")

    log = daemon.cli("logs", "takes@last").stdout
    assert (
        "Row(amount=1, day=None) [Row(amount=2, day=datetime.date(2026, 11, 22))] Colour.RED b x (4, 5) {'more': 6}"
        in log
    )
    assert json.loads(daemon.cli("show", "takes@last", "--json").stdout)["name"] == "takes-3"
    refused = daemon.cli("run", "takes", "-p", "n=3", "-p", 'row={"amount": "many"}', "--wait", check=1)
    assert "parameter 'row' of flow takes must be Row" in refused.stdout + refused.stderr


def test_a_killed_run_of_flows_and_tasks_of_every_kind_is_retried_without_running_any_again(daemon):
    path = daemon.drop("prefect.py", FILE)
    daemon.start()

    daemon.cli("run", "all_of_it", "--wait", check=1)
    assert json.loads(daemon.cli("show", "all_of_it@last", "--json").stdout)["state"] == "crashed"
    ran = path.with_name("ran")
    assert sorted(ran.read_text().split()) == sorted(
        ["async_child", "later", "stream", "own", "child", "double", "double", "double", "double"]
    )
    ran.unlink()
    path.with_name("go").touch()

    daemon.cli("retry", "all_of_it@last", "--wait")

    assert ran.read_text().split() == ["double"]
    assert json.loads(daemon.cli("result", "all_of_it@last", "--json").stdout)["preview"] == '[10,"done"]'
