"""A soak of the real stack: ``python -P tests/chaos/soak.py --hours 2``.

Flows run by schedule and by hand for hours, about once a minute something breaks, and the history is pruned all the
time, so that nothing has a reason to grow. Every ten seconds it is measured what everything takes; at the end no figure
may have risen, and the invariants of the campaign hold for all that ever ran.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from chaos.killing.evidence import Evidence  # noqa: E402
from chaos.killing.findings import check_all, check_database  # noqa: E402
from chaos.killing.person import Person  # noqa: E402
from chaos.killing.rest import come_to_rest, tracebacks  # noqa: E402
from chaos.killing.stack import Stack  # noqa: E402
from chaos.killing.workload import STEPS  # noqa: E402
from chaos.soaking.archive import Archive  # noqa: E402
from chaos.soaking.faults import Faults  # noqa: E402
from chaos.soaking.sampling import Sampler  # noqa: E402
from chaos.soaking.slopes import leaks  # noqa: E402
from chaos.soaking.telling import tell  # noqa: E402
from chaos.soaking.workload import COMMANDED, soak_workload  # noqa: E402

SEEN = 15.0
"""Seconds within which a file that was mended is known as such."""


def run_soak(
    seed: int, folder: Path, report: Path, lines: Path, *, seconds: float, environment: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Soak for *seconds*; return what came of it and the samples.

    Meanwhile *report* is kept up to date, and *lines* gets each sample as a line of JSON.
    """
    keep, warm_up = min(600.0, 15 + seconds / 12), min(1200.0, seconds / 6)
    stack = Stack(folder, soak_workload(keep))
    stack.environment.update(environment or {})
    archive = Archive(folder / "archive", stack.state, keep)
    faults = Faults(stack, Random(f"{seed}/faults"), seconds=seconds, pace=min(60.0, seconds / 10))
    rest = (0.5, 4.0) if seconds > 600 else (0.1, 0.8)
    person = Person(stack, Random(f"{seed}/person"), 0, lambda: None, flows=COMMANDED, rest=rest, retry_within=keep / 2)
    taken = 0.0

    def after_sample(samples: list[dict[str, Any]]) -> None:
        nonlocal taken
        if time.monotonic() - taken > keep / 10:
            taken = time.monotonic()
            archive.take()
        if len(samples) % 60 == 0:
            report.write_text(tell(samples, warm_up, None))

    sampler = Sampler(stack, min(10.0, seconds / 20), lines, after_sample)
    try:
        faults.bring_back()
        began = time.monotonic()
        for thread in (person, sampler):
            thread.start()
        faults.go_on_until(lambda: time.monotonic() - began >= seconds)
        sampler.over.set()
        sampler.join()
        person.over.set()
        person.join()
        is_up = faults.bring_back() and _is_mended(stack)
        archive.take()
        violations = come_to_rest(stack, STEPS) if is_up else [f"I14 no daemon serves: {stack.log.read_text()[-2000:]}"]
        archive.take()
        evidence = Evidence(archive.folder, stack.ledger, person.deeds, faults.strokes)
        found, figures = check_all(evidence)
        evidence.close()
        kept = Evidence(stack.state, stack.ledger, [], [])
        found += check_database(kept)
        kept.close()
    finally:
        sampler.over.set()
        person.over.set()
        stack.sweep()
    violations += [*faults.violations, *archive.violations, *found, *tracebacks(stack.log)]
    violations += leaks(sampler.samples, warm_up)
    violations += [f"told to a person: {told[:300]}" for told in person.strange]
    result = {
        "seed": seed,
        "seconds": round(time.monotonic() - began),
        "faults": dict(faults.counts),
        "answered": sum(deed.answered is not None for deed in person.deeds),
        "refused": person.refused,
        "samples_not_taken": dict(sampler.troubles),
        "crashes_shown_within": sorted(faults.shown)[-5:],
        **figures,
        "violations": violations,
    }
    report.write_text(tell(sampler.samples, warm_up, result))
    return result, sampler.samples


def _is_mended(stack: Stack) -> bool:
    """Wait for the last edit to be seen; tell whether a daemon serves."""
    deadline = time.monotonic() + SEEN
    while stack.ask("status")["errors"] and time.monotonic() < deadline:
        time.sleep(0.1)
    return stack.serves()


def main() -> int:
    """Soak as the command line says; print what came of it."""
    parser = argparse.ArgumentParser(prog="python -P tests/chaos/soak.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, help="where the state lies; kept when something was violated")
    parser.add_argument("--report", type=Path, help="a file that tells how it goes, renewed every 60 samples")
    parser.add_argument("--samples", type=Path, help="a file that gets every sample as a line of JSON")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix=f"soak-{options.seed}-", dir=options.folder))
    report = options.report or folder / "report.md"
    lines = options.samples or folder / "samples.jsonl"
    result, samples = run_soak(options.seed, folder, report, lines, seconds=options.hours * 3600)
    print(report.read_text())
    print(json.dumps(result))
    if result["violations"] or not samples:
        print(f"{len(result['violations'])} violations; everything is kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
