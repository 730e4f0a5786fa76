"""What came of a sweep, as tables."""

from collections import Counter
from collections.abc import Iterable, Iterator

from chaos.sweeping.points import parse_point
from chaos.sweeping.worlds import Outcome


def summary(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Give the lines of a table by phase and role, and every point that no story came to."""
    rows: dict[tuple[str, str], Counter[str]] = {}
    missed = []
    for outcome in outcomes:
        point = parse_point(outcome.point)
        counts = rows.setdefault((point.phase, point.role), Counter())
        counts.update(
            points=1,
            hits=outcome.hits > 0,
            second=outcome.hits > 1,
            violated=bool(outcome.violations),
            litter=outcome.litter,
            starts=outcome.starts,
        )
        if not outcome.hits:
            missed.append(outcome.point)
    yield "| phase | killed | points | hit | hit twice | daemons started | with violations | drafts left |"
    yield "|---|---|---|---|---|---|---|---|"
    total: Counter[str] = Counter()
    for (phase, role), counts in sorted(rows.items()):
        total.update(counts)
        yield _row(phase, role, counts)
    yield _row("**together**", "", total)
    yield from (f"not come to: {point}" for point in missed)


def _row(phase: str, role: str, counts: Counter[str]) -> str:
    columns = ("points", "hits", "second", "starts", "violated", "litter")
    return f"| {phase} | {role} | " + " | ".join(f"{counts[column]:,}" for column in columns) + " |"
