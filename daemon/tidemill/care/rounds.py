"""A round through the state directory: one that removes, and one that only tells what it would remove."""

from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Final

from tidemill.care.counting import Counting
from tidemill.care.policy import Policy
from tidemill.care.pruning import Pruning
from tidemill.care.removing import Interrupted, Recording, Removing
from tidemill.care.report import Report
from tidemill.config.paths import StatePaths
from tidemill.history.reading import Reading, open_reading

RESERVE: Final = 256
"""Free pages that stay in the history's file: what the next runs take need not be given back first."""


def prune(
    recording: Recording,
    address: str | Path,
    paths: StatePaths,
    policy: Policy,
    now: int,
    *,
    rest: Callable[[float], bool],
    is_busy: Callable[[str], bool] = lambda _: False,
    forget_texts: Callable[[Collection[str]], None] = lambda _: None,
    reserve: int = RESERVE,
) -> Report:
    """Remove what the policy does not keep, and give the room back; *now* is in microseconds.

    *rest* is called between two slices with the seconds to wait, and tells whether to end; what was done until then
    is reported. *is_busy* tells of an id whether the run still has a process; *forget_texts* is told the hashes of
    source texts before they go.
    """
    is_file = _is_file(address)
    with closing(open_reading(address)) as reading:
        hand = Removing(recording, reading, paths, now, is_file=is_file, rest=rest, forget_texts=forget_texts)
        report = Report()
        try:
            finished = hand.finish()
            pruning = Pruning(hand, reading, paths, policy, now, is_file=is_file, is_busy=is_busy)
            report = pruning.report
            report.freed += finished
            pruning.prune()
            hand.settle()
            if is_file:
                _shrink(hand, reading, report, reserve)
        except Interrupted:
            report.note("it was ended before it was through; the next one goes on")
    return report


def foresee(address: str | Path, paths: StatePaths, policy: Policy, now: int) -> Report:
    """Tell what a pruning would remove; sizes are estimates."""
    is_file = _is_file(address)
    with closing(open_reading(address)) as reading:
        hand = Counting(reading, paths, now, is_file=is_file)
        return Pruning(hand, reading, paths, policy, now, is_file=is_file, dry_run=True).prune()


def _shrink(hand: Removing, reading: Reading, report: Report, reserve: int) -> None:
    if reading.rows("PRAGMA auto_vacuum")[0][0] == 0:
        report.note(
            "the history's file was made without the means to shrink; to give it them, stop the daemon and call: "
            "tidemill prune --compact"
        )
        return
    hand.shrink(reserve)


def _is_file(address: str | Path) -> bool:
    return isinstance(address, Path) or "://" not in address or address.startswith("sqlite:")
