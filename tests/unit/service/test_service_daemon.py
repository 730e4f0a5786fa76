"""What the daemon does with runs that it makes on somebody's order."""

import asyncio
from types import SimpleNamespace

from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.manifests import FlowManifest
from tidemill.service.daemon import Daemon
from tidemill.service.roster import KnownFlow, Roster


def flow(**fields):
    return KnownFlow(FlowManifest("nightly", "function", **fields), "/n.py", {}, "v")


def serving(roster, perform):
    recorded = []
    dispatcher = SimpleNamespace(
        admit=lambda run: None, recorded=lambda run, run_id: recorded.append((run_id, run.limit, run.tags))
    )
    parts = {
        "roster": roster, "recorder": SimpleNamespace(problem=None), "recording": SimpleNamespace(perform=perform),
        "dispatcher": dispatcher, "start_due": lambda: None,
    }  # fmt: skip
    others = ("catalog", "waiters", "timekeeper", "slots", "caretaking", "groups")
    return Daemon(None, None, lambda: None, **parts, **dict.fromkeys(others)), recorded


def test_many_runs_are_under_the_limit_that_their_flow_has_when_they_are_recorded():
    roster = Roster()
    roster.put(flow(overlap="allow", max_active_runs=5, tags=("old",)))

    async def edited_meanwhile(write):
        made = write(None)
        roster.put(flow(max_active_runs=2, tags=("new",)))
        return made

    daemon, recorded = serving(roster, edited_meanwhile)
    runs = [ActiveRun(uid, "nightly", limit=5, tags=("old",)) for uid in ("a", "b")]
    asyncio.run(daemon.record_all(lambda writer: [(run, key) for key, run in enumerate(runs, 1)]))

    assert recorded == [(1, 2, ("new",)), (2, 2, ("new",))]


def test_many_runs_of_a_flow_that_has_left_meanwhile_are_queued_as_they_were_asked_for():
    async def perform(write):
        return write(None)

    daemon, recorded = serving(Roster(), perform)
    asyncio.run(daemon.record_all(lambda writer: [(ActiveRun("a", "nightly", limit=5), 1)]))

    assert recorded == [(1, 5, ())]
