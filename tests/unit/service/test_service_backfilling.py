"""Which moments a backfill makes runs for."""

import asyncio
from datetime import UTC, datetime

import pytest

from tidemill.control.requests import Request
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import ParameterError, Refused
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.manifests import FlowManifest, ParameterManifest
from tidemill.domain.schedules import cron, every
from tidemill.domain.specs import ScheduleSpec
from tidemill.domain.times import to_micros
from tidemill.history.backfill_writing import MadeRun
from tidemill.history.database import open_database
from tidemill.history.pen import Pen
from tidemill.service.backfilling import MOST_RUNS, Choice, Wish, choose, moments_of, refusal
from tidemill.service.handlers import backfill as handler
from tidemill.service.roster import KnownFlow

DAY = 86_400_000_000
LOW = to_micros(datetime(2026, 3, 1, tzinfo=UTC))
DAILY = cron("0 2 * * *", timezone="UTC")
NIGHTS = [LOW + number * DAY + 7_200_000_000 for number in range(7)]


def wish(schedules=None, *, days=7, **fields):
    flow = KnownFlow(FlowManifest("nightly", "function", takes_any=True), "/n.py", {}, "v")
    fields.setdefault("parameters", {})
    return Wish(flow, {1: DAILY} if schedules is None else schedules, LOW, LOW + days * DAY, **fields)


class Ledger:
    """A history of runs for moments."""

    def __init__(self, *made, cursors=None):
        self.made = [MadeRun(*each) for each in made]
        self.cursors = cursors or {1: (LOW + 1000 * DAY, True)}

    def load_made_runs(self, flow, low, high):
        return [each for each in self.made if low <= each.moment < high]

    def load_cursors(self, flow):
        return self.cursors


def test_the_first_end_is_included_and_the_last_is_not():
    assert moments_of(wish()) == [(night, 1) for night in NIGHTS]
    exact = Wish(wish().flow, {1: DAILY}, NIGHTS[0], NIGHTS[2], {})
    assert moments_of(exact) == [(NIGHTS[0], 1), (NIGHTS[1], 1)]


def test_the_moments_of_several_schedules_come_in_the_order_of_time():
    found = moments_of(wish({4: DAILY, 2: every(hours=12, anchor=datetime(2026, 1, 1, tzinfo=UTC))}, days=1))
    assert found == [(LOW, 2), (NIGHTS[0], 4), (LOW + DAY // 2, 2)]


def test_a_flow_without_a_schedule_is_refused_in_a_sentence():
    with pytest.raises(Refused, match=r"nightly has no schedule, .* run it with: tidemill run nightly"):
        moments_of(wish({}))
    with pytest.raises(Refused, match="at every boot"):
        moments_of(wish({1: ScheduleSpec("reboot", "")}))


def test_more_moments_than_can_be_looked_at_are_refused():
    with pytest.raises(Refused, match=r"more than 20,000 moments of nightly"):
        moments_of(wish({1: every(seconds=1)}))


def test_parameters_lie_over_those_of_the_schedule_and_are_checked():
    one = wish({1: cron("0 2 * * *", parameters={"table": "a", "full": False})}, parameters={"full": True})
    assert one.parameters_of(1) == {"table": "a", "full": True}
    strict = KnownFlow(
        FlowManifest("f", "graph", parameters=(ParameterManifest("day", "str", required=True),)), "/f.py", {}, "v"
    )
    with pytest.raises(ParameterError, match="day"):
        moments_of(Wish(strict, {1: DAILY}, LOW, LOW + DAY, {}))


@pytest.mark.parametrize(
    ("states", "again", "reason"),
    [
        ((), False, None),
        (("failed",), False, None),
        (("crashed", "cancelled", "timed_out"), True, None),
        (("completed",), False, "completed"),
        (("completed",), True, None),
        (("failed", "completed"), False, "completed"),
        (("completed", "running"), True, "under_way"),
        (("pending",), False, "under_way"),
        (("cancelling",), True, "under_way"),
        ((None,), False, "removed"),
        ((None,), True, None),
        ((None, "completed"), False, "completed"),
    ],
)
def test_what_became_of_earlier_runs_decides(states, again, reason):
    made = [(1, NIGHTS[0], None if state is None else f"run{place}", state) for place, state in enumerate(states)]
    choice = choose(Ledger(*made), wish(again=again, days=1), [(NIGHTS[0], 1)])
    assert choice == (Choice(((NIGHTS[0], 1),), {}) if reason is None else Choice((), {reason: 1}))


def test_what_the_schedule_has_yet_to_judge_is_left_to_it():
    choice = choose(Ledger(cursors={1: (NIGHTS[1], True)}), wish(), [(night, 1) for night in NIGHTS[:4]])
    assert choice == Choice(((NIGHTS[0], 1), (NIGHTS[1], 1)), {"undecided": 2})


def test_what_ran_under_the_schedule_as_it_was_before_counts_and_that_of_another_one_does_not():
    far = LOW + 1000 * DAY
    ledger = Ledger(
        (9, NIGHTS[0], "old", "completed"),
        (2, NIGHTS[1], "other", "completed"),
        cursors={1: (far, True), 2: (far, True), 9: (LOW, False)},
    )
    assert choose(ledger, wish(), [(night, 1) for night in NIGHTS[:2]]) == Choice(((NIGHTS[1], 1),), {"completed": 1})


def test_the_oldest_are_within_the_limit():
    ledger = Ledger((1, NIGHTS[0], "a", "completed"))
    choice = choose(ledger, wish(limit=2), [(night, 1) for night in NIGHTS])
    assert choice == Choice(((NIGHTS[1], 1), (NIGHTS[2], 1)), {"completed": 1, "beyond_limit": 4})


@pytest.mark.parametrize(
    ("count", "limit", "sure", "told"),
    [
        (1000, None, False, None),
        (1001, None, False, "--yes"),
        (1001, None, True, None),
        (1001, 1001, False, None),
        (MOST_RUNS + 1, None, True, "--limit 10000"),
        (MOST_RUNS + 1, MOST_RUNS + 1, True, "are the most at once"),
    ],
)
def test_many_runs_need_a_second_word(count, limit, sure, told):
    found = refusal(wish(limit=limit), Choice(((LOW, 1),) * count, {}), is_sure=sure)
    assert (found is None) if told is None else (told in found)


@pytest.mark.parametrize("meanwhile", ["", "UPDATE schedules SET cursor = 0"])
def test_a_commit_whose_answer_was_lost_is_done_again_later_with_the_same_runs(tmp_path, monkeypatch, meanwhile):
    pen = Pen(open_database(tmp_path / "history.db"))
    spec, flow = every(hours=12, anchor=datetime(2026, 1, 1, tzinfo=UTC)), wish().flow
    with pen.transaction() as writer:
        schedule_id = writer.sync_schedules("nightly", [spec], LOW + 10 * DAY)[0].id
    flow.schedules[schedule_id] = spec
    hours = iter(range(9))

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 5, 1, next(hours), tzinfo=tz)

    class Twice:
        def flow(self, name):
            return flow

        def new_run(self, flow, parameters, trigger):
            return ActiveRun(new_run_id(), "nightly", trigger=trigger)

        async def record_all(self, write):
            for _ in range(2):
                with pen.transaction() as writer:
                    self.made = [run.uid for run, _ in write(writer)]
                    if meanwhile:
                        writer.execute(meanwhile)

    async def tell(message):
        pass

    monkeypatch.setattr(handler, "datetime", Later)
    daemon, args = Twice(), {"flow": "nightly", "low": LOW, "high": LOW + DAY}
    told = asyncio.run(handler.answer(daemon, Request("backfill", args, 0, tell)))

    assert [run[0] for run in told["runs"]] == daemon.made
    with pen.transaction() as writer:
        assert [uid for (uid,) in writer.rows("SELECT uid FROM runs ORDER BY id")] == daemon.made
    assert len(daemon.made) == 2
    pen.close()
