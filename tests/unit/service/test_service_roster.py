from tidemill.domain.manifests import FlowManifest
from tidemill.domain.schedules import every
from tidemill.service.roster import KnownFlow, Roster


def flow(name="f", **fields):
    return KnownFlow(FlowManifest(name=name, style="graph", **fields), f"/flows/{name}.py", {}, "v1")


def test_a_new_version_keeps_pause_and_schedules():
    roster = Roster()
    roster.put(flow())
    roster.schedule("f", {1: every(minutes=5)})
    roster.pause("f", 7)

    roster.put(flow(description="newer"))

    assert roster.find("f").manifest.description == "newer"
    assert roster.find("f").paused_at == 7
    assert roster.of_schedule(1) is roster.find("f")


def test_replaced_schedules_are_returned_and_forgotten():
    roster = Roster()
    roster.put(flow())
    roster.schedule("f", {1: every(minutes=5), 2: every(minutes=6)})

    assert roster.schedule("f", {2: every(minutes=6), 3: every(minutes=7)}) == {1}

    assert roster.of_schedule(1) is None
    assert roster.of_schedule(3) is roster.find("f")


def test_a_dropped_flow_takes_its_schedules_along():
    roster = Roster()
    roster.put(flow())
    roster.schedule("f", {1: every(minutes=5)})

    assert roster.drop("f") == {1}

    assert roster.find("f") is None
    assert roster.of_schedule(1) is None
    assert roster.drop("f") == set()


def test_the_limit_follows_the_overlap_policy():
    assert flow().limit == 1
    assert flow(overlap="allow").limit is None
    assert flow(overlap="allow", max_active_runs=3).limit == 3
    assert flow(overlap="queue", max_active_runs=2).limit == 2


def test_a_pause_outlives_the_file_and_its_return():
    roster = Roster()
    roster.pause("f", 7)
    roster.put(flow("f"))
    roster.drop("f")
    roster.put(flow("f"))
    assert roster.find("f").paused_at == 7


def test_a_pause_that_was_written_while_the_file_changed_is_that_of_the_new_version():
    roster = Roster()
    roster.put(flow("f"))
    roster.put(flow("f"))
    roster.pause("f", 7)
    assert roster.find("f").paused_at == 7
    roster.pause("f", None)
    assert roster.find("f").paused_at is None
