"""What came of a soak, as a section for a person."""

import statistics
from collections.abc import Sequence
from typing import Any

from chaos.soaking.slopes import MB, Growth, growths

IN_MB = ("rss", "pss", "anonymous", "history")


def tell(samples: Sequence[dict[str, Any]], warm_up: float, result: dict[str, Any] | None) -> str:
    """Return the section; without a *result* it is the state of affairs so far."""
    if not samples:
        return f"## Soak\n\nNo sample was taken: {result}\n"
    last = samples[-1]
    logs = [sample["wal"] / MB for sample in samples]
    lines = [
        f"## Soak ({'over' if result else 'so far'}: {last['at'] / 3600:.2f} h, {len(samples)} samples)",
        "",
        f"{last['runs_ever']:,} rows of runs were made, {last['runs']:,} are kept; {last['moments']:,} moments in the"
        f" ledger ({last['ledger'] / MB:.2f} MB of {last['db'] / MB:.2f} MB); daemons started: {last['starts']}.",
        f"The first {warm_up / 60:.0f} minutes of each life are left out of its slope.",
        "",
        "| figure | life | first tenth | last tenth | most | an hour | hours |",
        "|---|---|---|---|---|---|---|",
        *map(_row, growths(samples, warm_up)),
        "",
        f"- Write-ahead log: {max(logs):.1f} MB at most, {logs[-1]:.1f} MB at last.",
        *(_answers(name, sorted(sample[name] for sample in samples)) for name in ("ping", "status")),
        "- Processor: " + ", ".join(_shares(samples)) + ".",
        f"- Zombies in a sample: {max(len(sample['zombies']) for sample in samples)} at most.",
    ]
    if result is not None:
        lines += ["", *(f"- {name}: {value}" for name, value in result.items() if name != "violations")]
        lines += ["", f"Violations: {len(result['violations'])}", *(f"- {told}" for told in result["violations"])]
    return "\n".join(lines) + "\n"


def _row(growth: Growth) -> str:
    unit, by = (" MB", MB) if growth.name.split()[-1] in IN_MB else ("", 1)
    figures = (f"{value / by:,.2f}{unit}" for value in (growth.first, growth.last, growth.most, growth.per_hour))
    mark = " **too much**" if growth.is_too_much else ""
    return f"| {growth.name} | {growth.life or 'all'} | {' | '.join(figures)}{mark} | {growth.hours:.2f} |"


def _answers(name: str, times: Sequence[float]) -> str:
    p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
    return f"- `{name}` answered in {p50:.1f} ms (p50), {p99:.1f} ms (p99), {times[-1]:.1f} ms at most."


def _shares(samples: Sequence[dict[str, Any]]) -> list[str]:
    told = []
    for role in ("daemon", "forkserver"):
        spans: dict[int, list[tuple[float, float]]] = {}
        for sample in samples:
            if sample[role]:
                spans.setdefault(sample[role]["pid"], []).append((sample["at"], sample[role]["cpu"]))
        used = sum(span[-1][1] - span[0][1] for span in spans.values())
        took = sum(span[-1][0] - span[0][0] for span in spans.values())
        told.append(f"{role} {100 * used / took if took else 0:.2f} % of a core")
    return told
