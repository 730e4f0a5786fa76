"""What is known of each run: what was answered about it, what it may come to, and that it only goes forward."""

from dataclasses import dataclass, field
from typing import Any, Final

ENDS: Final = {
    "completed", "cached", "skipped", "failed", "timed_out", "upstream_failed", "crashed", "cancelled", "missed",
}  # fmt: skip
_AFTER: Final = {
    "pending": {"running", "retrying", "cancelling"} | ENDS,
    "running": {"retrying", "cancelling"} | ENDS,
    "retrying": {"running", "cancelling"} | ENDS,
    "cancelling": ENDS,
}
_FIXED: Final = ("flow", "trigger", "scheduled_for", "queued_at", "parent", "root", "parameters", "version")


@dataclass
class Known:
    """A run that somebody was told the id of."""

    flow: str
    may_end: set[str]
    parameters: dict[str, Any]
    parent: str | None = None
    attempt: int = 1
    is_held: bool = False
    """It goes on until it is let go, cancelled or killed."""
    begin: str | None = None
    """The task that a retry was told to begin with."""
    version: int | None = None
    is_pruned: bool = False
    is_deaf: bool = False


@dataclass
class Runs:
    """All runs of one history."""

    known: dict[str, Known] = field(default_factory=dict)
    last_seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    """As the last look found them, those that schedules made too."""
    unanswered: dict[int, str] = field(default_factory=dict)
    """Runs that were asked for without an answer, by a parameter that none other has; the flow of each."""

    def __getitem__(self, uid: str) -> Known:
        return self.known[uid]

    def held(self) -> list[str]:
        """Return the runs that hold a slot for as long as nobody lets them go."""
        return [uid for uid, run in self.known.items() if run.is_held and not run.is_pruned]

    def last_attempt(self, uid: str) -> str:
        """Return the last of the runs that were made of *uid* by retrying."""
        children = {run.parent: child for child, run in self.known.items() if run.parent is not None}
        while uid in children:
            uid = children[uid]
        return uid

    def compare(self, listed: list[dict[str, Any]]) -> list[str]:
        """Hold a listing of all runs against what is known; return what is wrong with it."""
        found = {run["id"]: run for run in listed}
        wrong = [] if len(found) == len(listed) else ["a run is listed twice"]
        for uid, run in self.known.items():
            if (uid in found) is run.is_pruned:
                wrong.append(f"the run {uid} of {run.flow} is {'still' if run.is_pruned else 'not'} listed")
        for uid, now in found.items():
            wrong += self._check(uid, now)
        if lost := [
            uid for uid in self.last_seen if uid not in found and not (uid in self.known and self.known[uid].is_pruned)
        ]:
            wrong.append(f"runs are not listed any more: {lost}")
        self.last_seen = found
        return wrong

    def forget(self, uids: set[str]) -> None:
        """These were pruned."""
        for uid in uids:
            self.last_seen.pop(uid, None)
            if uid in self.known:
                self.known[uid].is_pruned = True

    def _check(self, uid: str, now: dict[str, Any]) -> list[str]:
        wrong = []
        run = self.known.get(uid)
        if run is None:
            wrong += self._stranger(uid, now)
        else:
            for name in ("flow", "parent", "attempt", "parameters"):
                expected = getattr(run, name)
                if now[name] != expected and not (name == "attempt" and run.flow == "flaky"):
                    wrong.append(f"{name} of the run {uid} is {now[name]!r} and should be {expected!r}")
            if now["state"] in ENDS and now["state"] not in run.may_end:
                told = sorted(run.may_end)
                wrong.append(
                    f"the run {uid} of {run.flow} ended {now['state']} ({now['error']}) and could only: {told}"
                )
        if (now["state"] in ENDS) != (now["finished_at"] is not None):
            wrong.append(f"the run {uid} is {now['state']}, finished at {now['finished_at']}")
        before = self.last_seen.get(uid)
        return wrong if before is None else wrong + _backwards(uid, before, now)

    def _stranger(self, uid: str, now: dict[str, Any]) -> list[str]:
        """Judge a run that nobody was told of."""
        if now["trigger"] == "schedule" and now["scheduled_for"] is not None:
            return []
        if now["root"] is not None:
            return [] if now["flow"] == "nest/inner" else [f"{uid} is a sub-flow of {now['flow']}"]
        flow = self.unanswered.pop(now["parameters"].get("n"), None)
        if flow != now["flow"]:
            return [f"nobody asked for the run {uid} of {now['flow']}, {now['trigger']}, {now['parameters']}"]
        self.known[uid] = Known(flow, {"completed"}, now["parameters"])
        return []


def _backwards(uid: str, before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what has gone back."""
    wrong = [f"{name} of {uid} was {before[name]!r}, is {now[name]!r}" for name in _FIXED if before[name] != now[name]]
    if before["state"] in ENDS:
        wrong += [
            f"{name} of {uid}, which had ended, was {before[name]!r} and is {now[name]!r}"
            for name in ("state", "error", "started_at", "finished_at", "attempt")
            if before[name] != now[name]
        ]
    elif now["state"] != before["state"] and now["state"] not in _AFTER[before["state"]]:
        wrong.append(f"the run {uid} was {before['state']} and is {now['state']}")
    if before["started_at"] not in (None, now["started_at"]):
        wrong.append(f"the run {uid} began at {before['started_at']} and now at {now['started_at']}")
    if now["attempt"] < before["attempt"]:
        wrong.append(f"the run {uid} was in attempt {before['attempt']} and is in {now['attempt']}")
    return wrong
