"""What a retry is judged to take over, and what is told of it."""

import asyncio
from dataclasses import replace

import pytest

from tidemill.domain.errors import NotFound, Refused
from tidemill.domain.manifests import FlowManifest, TaskManifest
from tidemill.domain.runs import FinishedTask
from tidemill.domain.states import State
from tidemill.history.records import StoredRun
from tidemill.history.resuming import Attempt, Past
from tidemill.service.retrying import plan_retry
from tidemill.service.roster import KnownFlow, Roster

UID, LAST = "k3f0000000", "mzq0000000"
RUN = StoredRun(
    id=1, uid=UID, flow="etl", state=State.FAILED, trigger="manual", queued_at=0, started_at=0, finished_at=1,
    scheduled_for=None, attempt=1, priority=0, parent=None, parameters={}, schedule_id=None, process=None, journal=None,
    journal_offset=0, version="old", sources={}, file="/flows/etl.py", note=None, root=None,
)  # fmt: skip


class World:
    """A daemon, its history and its roster, made of plain values."""

    def __init__(self):
        self.runs = {UID: RUN}
        self.last = UID
        self.live = {}
        self.past = []
        self.roster = Roster()
        self.dispatcher = self

    def find(self, uid):
        return self.live.get(uid)

    async def load_run(self, uid):
        return self.runs[uid]

    async def ask(self, question):
        return question(self.Writer(self))

    class Writer:
        def __init__(self, world):
            self.world = world

        def load_run(self, uid):
            return self.world.runs[uid]

        def last_attempt(self, uid):
            return self.world.last

        def first_place(self, uid, asked):
            return (1,)

        def load_past(self, uid, restart=None):
            return [past for past in self.world.past if restart is None or not restart.covers(past.task)]

    def know(self, style="function", tasks=(), version="new", code=None):
        manifest = FlowManifest("etl", style, tasks=tasks)
        self.roster.put(KnownFlow(manifest, "/flows/etl.py", {}, version, code=code or {}))

    def finish(self, *names, version="old", code=None):
        attempt = Attempt(1, None, version, code or {})
        begin = len(self.past)
        tasks = [FinishedTask(begin + place, name, None) for place, name in enumerate(names)]
        self.past += [Past(task, attempt, (1, task.index)) for task in tasks]

    def plan(self, begin=None):
        return asyncio.run(plan_retry(self, UID, begin))


@pytest.fixture
def world():
    return World()


class Live:
    def __init__(self, ended=False):
        self.ended = ended


def test_what_had_finished_is_taken_over_or_runs_again_from_a_task_on(world):
    world.know()
    world.finish("a", "b", "b", "c", version="new")

    assert [each.task.name for each in world.plan().past] == ["a", "b", "b", "c"]
    plan = world.plan("b")
    assert [each.task.name for each in plan.past] == ["a"]
    assert plan.told() == {
        "parent": UID,
        "attempt": 2,
        "from": "b",
        "again": [{"name": "b", "tasks": 2}, {"name": "c", "tasks": 1}],
        "taken_over": 1,
        "warnings": [],
    }
    assert plan.notes() == ["from task b; of what had finished it runs again: b, c"]


def test_in_a_graph_the_names_decide(world):
    world.know("graph", (TaskManifest("a", 0), TaskManifest("b", 1), TaskManifest("c", 2, (0,))))
    world.finish("a", "b", "c", version="new")

    assert world.plan("a").again == {"a": 1, "c": 1}
    with pytest.raises(NotFound, match="did you mean 'c'"):
        world.plan("cc")


def test_a_run_that_lives_or_whose_retry_lives_is_not_retried(world):
    world.know()
    world.live[UID] = Live()
    with pytest.raises(Refused, match=f"the run {UID} is still going; cancel it first with: tidemill cancel {UID}"):
        world.plan()

    world.live = {UID: Live(ended=True), LAST: Live()}
    world.last, world.runs[LAST] = LAST, replace(RUN, uid=LAST, attempt=2)
    with pytest.raises(Refused, match=f"the run {UID} is being retried: the run {LAST} is still going"):
        world.plan()


def test_a_retry_goes_on_from_the_last_attempt(world):
    world.know()
    world.last, world.runs[LAST] = LAST, replace(RUN, uid=LAST, attempt=2)

    told = world.plan().told()

    assert (told["parent"], told["attempt"]) == (LAST, 3)


def test_what_completed_is_retried_only_from_a_task_on(world):
    world.know()
    world.last, world.runs[LAST] = LAST, replace(RUN, uid=LAST, state=State.COMPLETED, attempt=2)

    with pytest.raises(Refused, match=f"{UID} was retried, and the run {LAST} completed; there is nothing to retry"):
        world.plan()
    assert world.plan("b").parent.uid == LAST


def test_a_flow_that_has_left_cannot_be_retried(world):
    with pytest.raises(NotFound, match="its flow etl has left the folder; put its file back, then try again"):
        world.plan()


def test_a_sub_flow_is_retried_with_its_root(world):
    world.know()
    world.runs = {UID: replace(RUN, root=LAST), LAST: replace(RUN, uid=LAST)}

    with pytest.raises(Refused, match=f"{UID} is a sub-flow of the run {LAST}; retry that one with"):
        world.plan()


OLD = {"": {"a": "311:1", "b": "311:1", "etl": "311:1", "gone": "311:1"}, "etl": {"b": "311:2"}}


@pytest.mark.parametrize(
    ("now", "warnings"),
    [
        ({"a": "311:1", "b": "311:2", "etl": "311:1"}, []),
        ({"a": "311:1", "b": "311:9", "etl": "311:1"}, ["the code of b has changed since; what it returned then is"]),
        ({"a": "311:9", "b": "311:9", "etl": "311:1"}, ["the code of a, b has changed since; what they returned then"]),
        ({"a": "312:1", "b": "312:2", "etl": "311:1"}, ["the file of etl has changed since a, b finished; whether"]),
        ({"a": "311:1", "b": "311:2", "etl": "311:9"}, ["the file of etl has changed since made finished; whether"]),
    ],
)
def test_only_a_finished_task_whose_code_has_changed_is_warned_of(world, now, warnings):
    world.know(code=now)
    world.finish("a", "b", "gone", "made", "b[3]", code=OLD)

    told = world.plan().warnings

    assert len(told) == len(warnings)
    assert all(text.startswith(begin) for text, begin in zip(told, warnings, strict=True))
    if warnings and "code of" in warnings[0]:
        first = warnings[0].split(",")[0].split()[3]
        assert told[0].endswith(f"tidemill retry {UID} --from {first}")


@pytest.mark.parametrize("version", ["new", None])
def test_the_same_version_or_an_unknown_one_gives_no_alarm(world, version):
    world.know(code={"a": "311:9"})
    world.finish("a", version=version, code=OLD)

    assert world.plan().warnings == ()


def test_a_sentence_names_a_few_of_many(world):
    world.know(code={f"t{n}": "311:9" for n in range(30)})
    world.finish(*(f"t{n}" for n in range(30)), code={"": {f"t{n}": "311:1" for n in range(30)}})

    (told,) = world.plan().warnings

    assert "t8, t9 and 20 more has changed since" in told
