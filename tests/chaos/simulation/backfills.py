"""People who ask for moments of the past to be made up for, and the judgement of what they got."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from chaos.simulation.flows import SECOND, moments
from chaos.simulation.oracle import TERMINAL, must
from chaos.simulation.promises import ERA
from tidemill.domain.errors import TidemillError

_NEWEST = (
    "SELECT moment FROM occurrences WHERE schedule_id IN"
    " (SELECT s.id FROM schedules s JOIN flows f ON f.id = s.flow_id WHERE f.name = ?) ORDER BY moment DESC LIMIT 12"
)
_RUNS = "SELECT id, uid, state, trigger, parent_id, schedule_id, scheduled_for, queued_at FROM runs ORDER BY id"
_MADE = (
    "SELECT r.id, r.uid, r.state, r.schedule_id, r.scheduled_for, r.parameters, f.name, EXISTS"
    " (SELECT 1 FROM run_events e WHERE e.run_id = r.id AND e.state = 'cancelling')"
    " FROM runs r JOIN flows f ON f.id = r.flow_id WHERE r.trigger = 'backfill' ORDER BY r.id"
)
_ENDLESS = 2**62


@dataclass(eq=False)  # two may ask for the same at one moment
class Asked:
    """A backfill that somebody asked for; each run of it names it in its parameters."""

    flow: str
    low: int
    high: int
    limit: int
    again: bool
    at: int
    told: dict = field(default_factory=dict)
    """The moments of the runs that were acknowledged, by their ids."""
    is_told: bool = False
    is_refused: bool = False


class Backfills:
    """What was asked for in a world, and what the judgement needs of it."""

    def __init__(self, world):
        self._world = world
        self.asked = []
        self.cancels = []
        """Flows and stretches of which somebody wanted all runs cancelled."""
        self._open = []
        self._noted = 0

    def ask(self):
        """Ask for a small stretch of the past, or for the end of what was asked before."""
        rng, files = self._world.rng, self._world.files
        flow = rng.choice([name for name in sorted(files) if files[name].flows[0].schedules] or sorted(files))
        low, high = self._stretch(flow)
        if rng.random() < 0.2:
            self._ask_cancel(flow, *((low, high) if rng.random() < 0.5 else (None, None)))
        else:
            self._ask(flow, low, high)

    def _stretch(self, flow):
        """Draw a stretch around a moment that the ledger knows, so that often there are runs already."""
        world, rng = self._world, self._world.rng
        now, known = world.micros(), world.query(_NEWEST, (flow,))
        begin = rng.choice(known)[0] if known and rng.random() < 0.8 else now
        low = min(begin, now - SECOND) - rng.choice((0, 0, 1, 60, 600)) * SECOND
        return low, max(low + 1, min(now, begin + rng.choice((1, 30, 60, 600)) * SECOND))

    def _ask(self, flow, low, high):
        world, rng = self._world, self._world.rng
        asked = Asked(flow, low, high, rng.randint(1, 5), rng.random() < 0.3, world.micros())
        self.asked.append(asked)
        self._open.append(asked)
        world.stats["backfills"] += 1
        args = {
            "flow": flow, "low": low, "high": high, "limit": asked.limit, "again": asked.again,
            "force": rng.random() < 0.5, "parameters": {"asked": len(self.asked) - 1},
        }  # fmt: skip
        world.life.ask("backfill", args, lambda answer: self._answered(asked, answer))

    def _answered(self, asked, answer):
        self._open.remove(asked)
        if isinstance(answer, TidemillError):
            asked.is_refused = True
            self._world.stats["backfills refused"] += 1
            return
        if not isinstance(answer, dict):
            raise answer
        asked.is_told = True
        asked.told = {uid: moment for uid, moment, _ in answer["runs"]}
        self._world.acked_runs.update(asked.told)

    def _ask_cancel(self, flow, low, high):
        world = self._world
        world.stats["cancelled backfills"] += 1
        stretch = range(low or 0, high or _ENDLESS)
        self.cancels.append((flow, stretch))
        active = world.life.dispatcher.active_of(flow)
        uids = sorted(run.uid for run in active if run.trigger == "backfill" and run.scheduled_for in stretch)
        args = {"flow": flow, "cancel": True, **({} if low is None else {"low": low, "high": high})}
        world.life.ask("backfill", args, lambda answer: self._answered_cancel(uids, answer))

    def _answered_cancel(self, uids, answer):
        if isinstance(answer, TidemillError):
            return
        if not isinstance(answer, dict):
            raise answer
        world = self._world
        for uid in uids:
            run = world.life.dispatcher.find(uid)
            if run is not None and not run.ended:
                must(run.cancelled or run.gone, f"I1: all of its backfill was cancelled, and {uid} is {run.state}")
                state = str(run.state)
            else:
                ((state,),) = world.query("SELECT state FROM runs WHERE uid = ?", (uid,))
            if state in ("cancelling", "cancelled"):
                world.acked_cancels.setdefault(uid, state)

    def ordered(self, order):
        """Look whether a run that is to start now should have given way."""
        dispatcher = self._world.life.dispatcher
        run = dispatcher.find(order.run)
        if run is not None and run.trigger == "backfill":
            first = [
                other.uid for other in dispatcher.active_of(run.flow)
                if other.id and other.trigger != "backfill" and not other.launched and other.priority >= run.priority
            ]  # fmt: skip
            must(not first, f"I6: the backfill's run {run.uid} starts before {sorted(first)}")

    def note(self):
        """Look at runs that were just recorded: whether there had been others for their moments."""
        if not self._open:
            return
        newest = self._world.query("SELECT id FROM runs WHERE trigger = 'backfill' AND id > ?", (self._noted,))
        if newest:
            self._compare(self._world.query(_RUNS), {run_id for (run_id,) in newest})
            self._noted = max(newest)[0]

    def forsake(self):
        """Wait for no answers any more: who would give them is dead."""
        self.note()
        self._open.clear()

    def _compare(self, runs, newest):
        for _, together in _by_moment(runs):
            for run_id, uid, *_ in together:
                going = [other[1] for other in together if other[0] < run_id and other[2] not in TERMINAL]
                must(run_id not in newest or not going, f"I3: a backfill made {uid} while {going} is under way")

    def judge(self, history):
        """Hold what there is against what was asked for."""
        made = defaultdict(list)
        for _, uid, state, schedule_id, moment, parameters, flow, was_cancelled in history.execute(_MADE):
            number = json.loads(parameters)["asked"]
            made[number].append((uid, schedule_id, moment))
            self._fits(self.asked[number], uid, flow, schedule_id, moment)
            if state == "cancelled" or was_cancelled:
                is_wanted = uid in self._world.asked_cancels or any(
                    flow == name and moment in stretch for name, stretch in self.cancels
                )
                must(is_wanted, f"I1: nobody wanted the backfill's run {uid} cancelled, and it was")
        for number, asked in enumerate(self.asked):
            _as_told(number, asked, made[number])
        self._world.stats["runs of backfills"] += sum(map(len, made.values()))
        again = {uid for number, runs in made.items() if self.asked[number].again for uid, *_ in runs}
        numbers = {uid: number for number, runs in made.items() for uid, *_ in runs}
        for (_, moment), runs in _by_moment(history.execute(_RUNS).fetchall()):
            self._once(moment, runs, again, numbers)
        strays = history.execute(
            "SELECT o.moment, r.uid FROM occurrences o JOIN runs r ON r.id = o.run_id WHERE r.trigger <> 'schedule'"
        ).fetchall()
        must(not strays, f"I3: moments whose rows name a run that their schedule did not make: {strays[:3]}")

    def _fits(self, asked, uid, flow, schedule_id, moment):
        spec = json.loads(self._world.epochs[schedule_id][0])
        must(
            flow == asked.flow and asked.low <= moment < asked.high,
            f"I3: the backfill's run {uid} is for {moment} of {flow}, and asked for was {asked}",
        )
        must(
            moment in moments(spec["kind"], spec["expression"], moment - 1, moment),
            f"I3: a backfill made {uid} for {moment}, when schedule {schedule_id} is not due",
        )

    def _once(self, moment, runs, again, numbers):
        """I3: a moment has no second run once one has completed, but where somebody wanted that."""
        for run_id, uid, _, trigger, _, _, _, queued in runs:
            before = [other for other in runs if other[0] < run_id]
            if trigger == "backfill" and uid not in again:
                done = [other[1] for other in before if other[2] == "completed"]
                must(not done, f"I3: a backfill made {uid} for {moment} again, for which {done} has completed")
            elif trigger == "schedule":
                early = [other[1] for other in before if other[3] == "backfill"]
                early = [other for other in early if not self._comes_again(moment, numbers[other], queued)]
                must(not early, f"I3: {uid} is of the schedule, and a backfill had made {early} for {moment} before")

    def _comes_again(self, moment, number, queued):
        """Tell whether the clock was set back behind *moment* between a backfill and a run."""
        eras = range(self.asked[number].at % ERA + 1, queued % ERA + 1)
        return any(self._world.hours.begin_of(era) < moment for era in eras)


def _as_told(number, asked, made):
    """I1: what was acknowledged is there, and nothing else of it; what was refused is not."""
    must(len(made) <= asked.limit, f"I3: the backfill {number} made {len(made)} runs, {asked.limit} were asked for")
    twice = [key for key, count in Counter((key, moment) for _, key, moment in made).items() if count > 1]
    must(not twice, f"I3: the backfill {number} made several runs for {twice}")
    there = {uid: moment for uid, _, moment in made}
    must(not asked.is_told or there == asked.told, f"I1: the backfill {number} told of {asked.told}, and made {there}")
    must(not asked.is_refused or not there, f"I1: the backfill {number} was refused, and made {there}")


def _by_moment(runs):
    """Return the runs for each schedule's moment, retries of one of them included."""
    rows, found = {run[0]: run for run in runs}, defaultdict(list)
    for run in runs:
        first = run
        while first[3] == "retry":
            first = rows[first[4]]
        if first[3] in ("schedule", "backfill"):
            found[first[5], first[6]].append(run)
    return found.items()
