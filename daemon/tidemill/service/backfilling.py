"""Which moments of a flow a backfill makes runs for, and which it leaves alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from tidemill.domain.errors import Refused
from tidemill.domain.parameters import check_parameters
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.states import State
from tidemill.history.backfill_writing import BackfillWriting
from tidemill.service.roster import KnownFlow

MOST_LOOKED_AT: Final = 20_000
"""Moments of one stretch that are computed, which takes half a second."""
MOST_RUNS: Final = 10_000
"""Runs of one backfill: recording them holds everybody else's commits up for half a second."""
MOST_UNASKED: Final = 1_000
"""Runs that are made without a second word."""

Due = tuple[int, int]
"""A moment in microseconds, and the key of its schedule."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked to be made up for: the moments from *low* up to *high*, itself not included."""

    flow: KnownFlow
    schedules: dict[int, ScheduleSpec]
    """The flow's, as they were when it was asked."""
    low: int
    high: int
    parameters: dict[str, Any]
    again: bool = False
    """Also moments for which a run has completed."""
    limit: int | None = None
    """Only so many of them, the oldest ones."""

    @property
    def name(self) -> str:
        """The flow's."""
        return self.flow.manifest.name

    def parameters_of(self, schedule_id: int) -> dict[str, Any]:
        """Return the parameters of a run: the schedule's own, and over them those that were given."""
        return {**self.schedules[schedule_id].parameters, **self.parameters}


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of each moment of a wish."""

    chosen: tuple[Due, ...]
    left_out: dict[str, int]
    """How many are left alone: ``completed``, ``removed`` (nobody knows how the run ended), ``under_way``,
    ``undecided`` (the schedule has yet to judge them), ``beyond_limit``."""


def moments_of(wish: Wish) -> list[Due]:
    """Return the moments of all schedules of the flow in the stretch, oldest first; Refused where that is no list."""
    manifest, schedules = wish.flow.manifest, wish.schedules
    if not schedules:
        raise Refused(
            f"{wish.name} has no schedule, so it has no moments to make up for; run it with: tidemill run {wish.name}"
        )
    if all(spec.kind == "reboot" for spec in schedules.values()):
        raise Refused(f"{wish.name} runs at every boot of the machine; such moments cannot be made up for")
    found: list[Due] = []
    for schedule_id, spec in schedules.items():
        check_parameters(manifest, wish.parameters_of(schedule_id))
        moments = spec.between(wish.low - 1, wish.high - 1, MOST_LOOKED_AT + 1)
        found += ((moment, schedule_id) for moment in moments)
        if len(found) > MOST_LOOKED_AT:
            raise Refused(f"more than {MOST_LOOKED_AT:,} moments of {wish.name} lie there; name a shorter stretch")
    return sorted(found)


def choose(writer: BackfillWriting, wish: Wish, moments: Iterable[Due]) -> Choice:
    """Decide about each of *moments*."""
    schedules = writer.load_cursors(wish.name)
    states: dict[Due, set[str | None]] = defaultdict(set)
    for made in writer.load_made_runs(wish.name, wish.low, wish.high):
        states[made.moment, made.schedule_id].add(made.state)
    past = [key for key, (_, is_present) in schedules.items() if not is_present]
    chosen: list[Due] = []
    left_out: Counter[str] = Counter()
    for moment, schedule_id in moments:
        # A schedule that was changed is another one; what ran under the old one ran all the same.
        known = set().union(*(states.get((moment, key), ()) for key in (schedule_id, *past)))
        reason = _reason(known, again=wish.again) if moment <= schedules[schedule_id][0] else "undecided"
        if reason is None and len(chosen) == wish.limit:
            reason = "beyond_limit"
        if reason is None:
            chosen.append((moment, schedule_id))
        else:
            left_out[reason] += 1
    return Choice(tuple(chosen), dict(left_out))


def refusal(wish: Wish, choice: Choice, *, is_sure: bool) -> str | None:
    """Return why so many runs are not made, at all or without a second word; None where they are."""
    count = len(choice.chosen)
    if count > MOST_RUNS:
        return (
            f"that would be {count:,} runs of {wish.name}, and {MOST_RUNS:,} are the most at once;"
            f" make the oldest with: --limit {MOST_RUNS}"
        )
    if count > MOST_UNASKED and not is_sure and wish.limit is None:
        return f"that would be {count:,} runs of {wish.name}; make them all with --yes, or the oldest with --limit N"
    return None


def _reason(states: set[str | None], *, again: bool) -> str | None:
    """Return why a moment with runs in *states* is left alone; None where it is not."""
    if any(state is not None and not State(state).is_terminal for state in states):
        return "under_way"
    if again:
        return None
    if State.COMPLETED in states:
        return "completed"
    return "removed" if None in states else None
