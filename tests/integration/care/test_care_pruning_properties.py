"""Whatever there is and whatever is asked for: what must stay stays, and what was foretold is what goes."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from care_lab import DAYS, World
from history_lab import SECOND, Lab
from tidemill.care.policy import DAY
from tidemill.domain.outcomes import Trigger
from tidemill.domain.states import State
from tidemill.history.records import NewRun
from tidemill.history.retention import FAULTS

RUN = st.tuples(
    st.sampled_from(["one", "two"]),
    st.integers(0, 60),
    st.sampled_from([State.COMPLETED, State.FAILED, State.CRASHED, State.CANCELLED, None]),
    st.booleans(),
)
"""Flow, age in days, how it ended (None: not yet), and whether it repeats the failed run before it."""
BOUNDS = st.fixed_dictionaries(
    {
        "keep_for": st.none() | st.integers(0, 40).map(lambda days: days * DAY),
        "keep_failed_for": st.none() | st.integers(0, 60).map(lambda days: days * DAY),
        "keep_runs": st.none() | st.integers(1, 4),
        "max_size": st.none() | st.sampled_from([1, 10**9]),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(RUN, max_size=14), BOUNDS)
def test_what_must_stay_stays_and_what_was_foretold_goes(runs, bounds):
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder) / "history.db", Path(folder))
        world = World(lab)
        made = make(world, sorted(runs, key=lambda run: -run[1]))

        foreseen = world.foresee(**bounds)
        report = world.prune(**bounds)

        check(world, made, bounds)
        if bounds["max_size"] is None:
            assert (foreseen.runs, foreseen.failed_runs) == (report.runs, report.failed_runs)
        again = world.prune(**bounds)
        if bounds["max_size"] != 1:
            assert again.runs == 0, "one pruning is enough"
        lab.close()


def make(world: World, runs) -> dict[str, tuple]:
    """Make the runs, the oldest first; return for each its key, flow, age, end and what it repeats."""
    made: dict[str, tuple] = {}
    for number, (flow, age, state, repeats) in enumerate(runs):
        uid, parent = f"a{number:09}", None
        repeated = {facts[4] for facts in made.values()}
        before = [one for one, facts in made.items() if facts[1] == flow and facts[3] in FAULTS and one not in repeated]
        if repeats and before:
            parent = before[-1]
        at = world.now - age * DAYS - SECOND * (len(runs) - number)
        new = NewRun(uid, flow, at, parent=parent, trigger=Trigger.RETRY if parent else Trigger.MANUAL)
        run_id = world.lab.write(lambda w, new=new: w.add_run(new))
        if state is not None:
            world.lab.write(lambda w, key=run_id, end=state, at=at: w.end_run(key, end, None, at))
        made[uid] = (run_id, flow, age, state, parent)
    return made


def check(world: World, made, bounds) -> None:
    left = set(world.uids())
    gone = made.keys() - left
    newest = {flow: max(uid for uid, facts in made.items() if facts[1] == flow) for _, flow, *_ in made.values()}
    for uid in gone:
        _, flow, age, state, _ = made[uid]
        assert state is not None, "a live run went"
        assert uid != newest[flow], "the newest run of a flow went"
        kept_for = bounds["keep_failed_for" if state in FAULTS else "keep_for"]
        is_old = kept_for is not None and age * DAY >= kept_for
        younger = [one for one, facts in made.items() if facts[1] == flow and one > uid and same_kind(facts[3], state)]
        is_beyond = bounds["keep_runs"] is not None and len(younger) >= bounds["keep_runs"]
        assert is_old or is_beyond or bounds["max_size"] == 1, "a run went that nothing sends away"
    for uid in left:
        parent = made[uid][4]
        assert parent is None or parent in left, "a run went that another one was retried from"
    for uid in gone:
        parent = made[uid][4]
        assert parent is None or parent in gone, "a retry went, and what it retried could be retried once more"
    if bounds["max_size"] == 1:
        highest = max(made, default=None)
        staying = {uid for uid in left if made[uid][3] is None or uid in (newest[made[uid][1]], highest)}
        assert left == chained(made, staying), "everything that may go goes where there is no room at all"


def chained(made, staying: set[str]) -> set[str]:
    """Add to the runs that stay all that are in a chain of retries with one of them."""
    before: set[str] = set()
    while staying != before:
        before = staying
        staying = staying | {facts[4] for uid, facts in made.items() if uid in staying and facts[4]}
        staying = staying | {uid for uid, facts in made.items() if facts[4] in staying}
    return staying


def same_kind(one, other) -> bool:
    return one is not None and (one in FAULTS) == (other in FAULTS)
