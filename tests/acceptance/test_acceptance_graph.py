"""A declared graph with everything a graph can have, by the daemon and the CLI."""

GRAPH = """
    import pathlib
    from tidemill import Flow, Parameter, Skip, Task, task, unmapped

    here = pathlib.Path(__file__).parent

    @task
    def extract(count: int):
        return list(range(count))

    @task(retries=1)
    def load(row, day):
        with open(here / "loaded", "a") as file: file.write(f"{row}\\n")
        if row == 3 and not (here / "mended").exists():
            raise ValueError("row 3 is broken")
        return f"{row} of {day}"

    @task
    def look_for_news():
        raise Skip("no news today")

    tell = task(name="tell", depends_on=[look_for_news])(lambda: None)

    class Report(Task):
        condition = "all_finished"

        def setup(self):
            self.lines = []

        def run(self, loaded):
            self.lines += [line for line in loaded if line]
            return self.lines

        def teardown(self):
            raise OSError("the printer is on fire")

    rows = extract.bind(count=Parameter("count", default=5))
    loaded = load.map(row=rows, day=unmapped(Parameter("day", default="monday")))

    @task(depends_on=[loaded], condition="any_failed")
    def alert():
        print("something failed")

    etl = Flow("etl", tasks=[Report().bind(loaded=loaded), alert, tell])
"""


def states(run):
    return {task["name"]: task["state"] for task in run["tasks"]}


def test_a_graph_with_everything_runs_is_drawn_and_resumed_by_item(daemon):
    daemon.start()
    daemon.drop("etl.py", GRAPH)
    daemon.until_flow("etl")

    assert daemon.cli("graph", "etl").stdout.splitlines() == [
        "rows",
        "└── loaded  once for each of row",
        "    ├── Report  if all_finished",
        "    └── alert  if any_failed",
        "look_for_news",
        "└── tell",
    ]
    assert [known["name"] for known in daemon.flow("etl")["parameters"]] == ["count", "day"]

    first = daemon.run("etl", "-p", "day=sunday", check=1)

    items = {f"loaded[{n}]": "failed" if n == 3 else "completed" for n in range(5)}
    assert states(first) == {
        "rows": "completed",
        "loaded": "failed",
        **items,
        "Report": "completed",
        "alert": "completed",
        "look_for_news": "skipped",
        "tell": "skipped",
    }
    assert first["error"] == (
        "ValueError: task loaded: 1 of 5 items failed; the first, loaded[3]: ValueError: row 3 is broken"
    )
    reasons = {task["name"]: task["error"]["message"] for task in first["tasks"] if task["state"] == "skipped"}
    assert reasons == {
        "look_for_news": "no news today",
        "tell": "not run, because task look_for_news was skipped: no news today",
    }
    assert any("the teardown of task Report failed" in (event["note"] or "") for event in first["events"])
    report = daemon.json("result", first["id"], "Report")["value"]
    assert report == ["0 of sunday", "1 of sunday", "2 of sunday", "4 of sunday"]

    (daemon.flows / "mended").touch()
    daemon.cli("retry", first["id"], "--wait")

    assert sorted((daemon.flows / "loaded").read_text().split()) == ["0", "1", "2", "3", "3", "3", "4"]
    second = daemon.json("show", "etl@last")
    assert (second["state"], second["parent"]) == ("completed", first["id"])
    assert states(second) == {
        **dict.fromkeys(["rows", *items, "Report", "alert"], "cached"),
        "loaded": "completed",
        "loaded[3]": "completed",
        "look_for_news": "skipped",
        "tell": "skipped",
    }
    assert daemon.json("result", "etl@last", "loaded")["value"] == [f"{n} of sunday" for n in range(5)]


def test_a_handler_that_nobody_needed_leaves_the_run_completed(daemon):
    daemon.start()
    daemon.drop("etl.py", GRAPH)
    daemon.until_flow("etl")

    run = daemon.run("etl", "-p", "count=0")

    assert run["state"] == "completed"
    assert states(run) == {
        **dict.fromkeys(["rows", "loaded", "Report"], "completed"),
        **dict.fromkeys(["alert", "look_for_news", "tell"], "skipped"),
    }
