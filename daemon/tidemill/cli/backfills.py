"""A backfill as a person is told of it, and seeing it through to its last run."""

import time
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from tidemill.cli import exits
from tidemill.cli.documents import print_document
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import counted
from tidemill.cli.states import LIVE, state_text
from tidemill.cli.terminal import neutral, say
from tidemill.domain.times import from_micros, iso

_LOOK: Final = 1.0
"""Seconds between two looks at how far it is: the history is asked, so a daemon may come and go meanwhile."""
_TELL: Final = 5.0
_MOST_TOLD: Final = 20
_SUCCESSES: Final = frozenset({"completed", "cached"})
_LEFT_OUT: Final = {
    "completed": "{} completed already (--again runs them too)",
    "removed": "{} ran, and the run is no longer kept (--again runs them too)",
    "under_way": "{} have a run that waits or is going",
    "undecided": "{} the schedule has yet to decide about",
    "beyond_limit": "{} are beyond the limit",
}


class Told:
    """What the daemon answered."""

    def __init__(self, answer: Mapping[str, Any], zone: tzinfo) -> None:
        self.flow: str = answer["flow"]
        self.runs: list[tuple[str | None, int, str]] = [
            (uid, moment, answer["schedules"][place]) for uid, moment, place in answer["runs"]
        ]
        """Id (None where it is only a plan), moment in microseconds, schedule in words; oldest first."""
        self._left_out: dict[str, int] = answer["left_out"]
        self._at_once: int | None = answer["at_once"]
        self._zone = zone

    @property
    def ends(self) -> tuple[str, str]:
        """The ids of the first and the last run."""
        return str(self.runs[0][0]), str(self.runs[-1][0])

    def wall(self, at: int) -> str:
        """Return a moment on the clock of the flow's first schedule."""
        return from_micros(at).astimezone(self._zone).strftime("%a %Y-%m-%d %H:%M:%S %Z")

    def sentence(self, *, is_plan: bool = False) -> str:
        """Say what is, or would be, run, and what is left out and why."""
        reasons = [_LEFT_OUT[word].format(f"{count:,}") for word, count in self._left_out.items()]
        left_out = f"; of the other moments {', '.join(reasons)}" if reasons else ""
        if not self.runs:
            moments = f"; of its moments {', '.join(reasons)}" if reasons else ": it has no moments there"
            return f"nothing to backfill for {neutral(self.flow)}{moments}"
        verb = "would be" if is_plan else "are"
        count = counted(len(self.runs), "run")
        verb = verb if len(self.runs) > 1 or is_plan else "is"
        at_once = "" if self._at_once is None else f", {self._at_once} at a time"
        stretch = self.wall(self.runs[0][1])
        if len(self.runs) > 1:
            stretch += f" to {self.wall(self.runs[-1][1])}"
        return f"{count} of {neutral(self.flow)} {verb} made for {stretch}{at_once}{left_out}"

    def document(self, stretch: Mapping[str, int], runs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """Return the JSON document; *runs* tell how they ended."""
        ended = {run["id"]: run for run in runs or ()}
        return {
            "flow": self.flow,
            "from": iso(stretch["low"]),
            "to": iso(stretch["high"]),
            "runs": [
                {"id": uid, "scheduled_for": iso(at), "schedule": schedule, **ended.get(uid, {})}
                for uid, at, schedule in self.runs
            ],
            "left_out": {word: self._left_out.get(word, 0) for word in _LEFT_OUT},
        }


def see_through(invocation: Invocation, told: Told, stretch: Mapping[str, int], *, as_json: bool) -> int:
    """Wait until every run has ended, tell how each did that did not complete, and return the exit code."""
    if not as_json:
        say(told.sentence(), err=True)
    if not told.runs:
        if as_json:
            print_document(told.document(stretch))
        return exits.DONE
    try:
        states = _wait(invocation, told, is_quiet=as_json)
    except KeyboardInterrupt:
        say(f"\nthe runs go on; end them with: tidemill backfill {told.flow} --cancel", err=True)
        raise
    if as_json:
        print_document(told.document(stretch, invocation.reader.backfill_runs(*told.ends)))
    else:
        _print_end(invocation, told, states)
    return exits.DONE if states.keys() <= _SUCCESSES else exits.FAILED


def _wait(invocation: Invocation, told: Told, *, is_quiet: bool) -> dict[str, int]:
    spoken = time.monotonic()
    while (states := invocation.reader.backfill_states(*told.ends)).keys() & LIVE:
        if not is_quiet and time.monotonic() - spoken >= _TELL:
            spoken = time.monotonic()
            ended = sum(count for state, count in states.items() if state not in LIVE)
            say(f"{ended} of {len(told.runs)} have ended ({_counts(states)})", err=True)
        time.sleep(_LOOK)
    return states


def _print_end(invocation: Invocation, told: Told, states: Mapping[str, int]) -> None:
    bad = [run for run in invocation.reader.backfill_runs(*told.ends) if run["state"] not in _SUCCESSES]
    for run in bad[:_MOST_TOLD]:
        error = f": {neutral(run['error'])}" if run["error"] else ""
        say(f"{run['id']} {state_text(run['state'])} for {run['scheduled_for']}{error}")
    if len(bad) > _MOST_TOLD:
        say(f"and {len(bad) - _MOST_TOLD} more; all of them: tidemill runs --flow {told.flow}")
    say(f"{counted(len(told.runs), 'run')} of {neutral(told.flow)}: {_counts(states)}")


def _counts(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
