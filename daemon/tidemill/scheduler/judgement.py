"""What becomes of a moment that has come: the policies of a flow, as one pure function.

The facts are the dispatcher's; the words are the ledger's. Every reason is a sentence a person can read
at 3 a.m. and know what happened.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tidemill.domain.outcomes import Outcome, Overlap

LATE_AFTER: Final = 5.0
"""Seconds after which a start is called late: more than a busy daemon needs, less than a person would excuse."""
MOST_QUEUED: Final = 1000
"""Runs of one flow that may wait under ``overlap="queue"``: a queue that only grows is never worked off."""


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """What is known of a flow at the time of judging one of its moments."""

    paused: bool = False
    broken: bool = False
    live_runs: int = 0
    queued_runs: int = 0
    overlap: str = Overlap.SKIP
    max_active_runs: int | None = None
    grace: float | None = None
    live_run: str | None = None
    """The id of a run that is going, to be named in the reason."""
    error: str | None = None
    """Why it is broken: file, line and message in one line."""
    jitter: float = 0.0
    """Seconds a start may have been put off on purpose; they do not count as lateness."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a moment, or of all moments from *moment* to *until*."""

    moment: datetime
    outcome: Outcome
    reason: str
    starts: bool = False
    """A run is to be made for it."""
    coalesced_into: datetime | None = None
    cancel_live: bool = False
    """The runs that are going or waiting are to be cancelled first."""
    queue: bool = False
    """The run waits until the flow has a place for it."""
    until: datetime | None = None
    """The last moment of a range; None for a single moment."""
    count: int = 1
    """How many moments the range holds, as far as they were counted."""


def judge(moment: datetime, now: datetime, facts: FlowFacts) -> Verdict:
    """Decide about one moment that has come while the daemon was there."""
    late = (now - moment).total_seconds() - facts.jitter
    refused = _refusal(late, facts)
    if refused is not None:
        return Verdict(moment, *refused)
    outcome, came = Outcome.RAN, "it came due"
    if late > LATE_AFTER:
        outcome, came = Outcome.LATE, f"it came due and the daemon got to it {spoken(late)} late"
    limit = _limit(facts)
    if limit is None or facts.live_runs + facts.queued_runs < limit:
        return Verdict(moment, outcome, came, starts=True)
    going = _going(facts)
    if facts.overlap == Overlap.CANCEL:
        reason = f"{came}; {going} and was cancelled for it, because overlap is cancel"
        return Verdict(moment, outcome, reason, starts=True, cancel_live=True, queue=True)
    if facts.overlap == Overlap.QUEUE:
        if facts.queued_runs >= MOST_QUEUED:
            return Verdict(moment, Outcome.SKIPPED, f"{facts.queued_runs} runs of the flow were already waiting")
        reason = f"{came}; {going}, and it waited because overlap is queue"
        return Verdict(moment, outcome, reason, starts=True, queue=True)
    return Verdict(moment, Outcome.SKIPPED, f"{going} and {_rule(facts)}")


def spoken(seconds: float) -> str:
    """Say a duration as people do: 5 s, 3 min, 2 h 10 min, 4 d."""
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:.3g} s"
    if whole < 7200:
        return f"{whole // 60} min"
    if whole < 2 * 86400:
        hours, minutes = divmod(whole // 60, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{whole // 86400} d"


def _refusal(late: float, facts: FlowFacts) -> tuple[Outcome, str] | None:
    if facts.broken:
        because = f": {facts.error}" if facts.error else ""
        return Outcome.BROKEN, f"its file could not be loaded and no good version was left{because}"
    if facts.paused:
        return Outcome.PAUSED, "the flow was paused"
    if facts.grace is not None and late > max(facts.grace, 0) and late > 1:
        return Outcome.MISSED, f"the daemon got to it {spoken(late)} late, and its grace is {spoken(facts.grace)}"
    return None


def _limit(facts: FlowFacts) -> int | None:
    if facts.max_active_runs is not None:
        return facts.max_active_runs
    return None if facts.overlap == Overlap.ALLOW else 1


def _going(facts: FlowFacts) -> str:
    active = facts.live_runs + facts.queued_runs
    if active > 1:
        return f"{active} runs of the flow were still going or waiting"
    run = f" {facts.live_run}" if facts.live_run else ""
    return f"the previous run{run} was still {'going' if facts.live_runs else 'waiting to start'}"


def _rule(facts: FlowFacts) -> str:
    if facts.overlap == Overlap.ALLOW or (facts.max_active_runs or 1) > 1:
        return f"max_active_runs is {facts.max_active_runs}"
    return "overlap is skip"
