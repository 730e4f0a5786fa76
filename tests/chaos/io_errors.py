"""I/O errors at every call of the reference run: ``python -P tests/chaos/io_errors.py --seed 1 --minutes 10``.

The real stack tells its story again and again; each time one call that changes something on the disk fails with
ENOSPC, EIO, EROFS or EMFILE, alone, or the disk goes on failing for a while. Then it heals, and all must be well.
"""

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zlib import crc32

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from chaos.failing.breaking import Outcome, break_once  # noqa: E402
from chaos.failing.faults import Fault, fault_of  # noqa: E402
from chaos.failing.walking import all_faults, points_of  # noqa: E402
from chaos.reference_run.variants import VARIANTS  # noqa: E402
from chaos.sweeping.points import Point  # noqa: E402
from chaos.tracing.tracer import why_not  # noqa: E402

log = logging.getLogger(__name__)


def walk(faults: Sequence[Fault], folder: Path, jobs: int = 1, seconds: float = 10**9) -> dict[str, Any]:
    """Try so many faults at a time, begin none after so many *seconds*, and return figures and violations."""
    figures: dict[str, Counter[str]] = {name: Counter() for name in ("tried", "not_hit", "refused", "states", "ends")}
    points, violations = set(), []
    deadline = time.time() + seconds
    with _pool(jobs) as pool:
        for outcome in pool.map(try_fault, faults, map(folder.joinpath, map(str, count())), repeat(deadline)):
            if outcome is None:
                pool.shutdown(cancel_futures=True)
                break
            fault = fault_of(outcome.fault)
            _count(figures, fault, outcome)
            log.info("%d of %d: %s", figures["tried"].total(), len(faults), fault)
            if outcome.is_hit:
                points.add(fault.point)
            if outcome.violations:
                violations.append({"fault": str(fault), "found": outcome.violations})
                print(f"{outcome.violations}\n  {command(fault)}", file=sys.stderr, flush=True)
    return {
        "faults": figures["tried"].total(),
        "points": len(points),
        **{name: dict(counts) for name, counts in figures.items()},
        "violations": violations,
    }


def try_fault(fault: Fault, folder: Path, deadline: float) -> Outcome | None:
    """Try one fault in *folder*, which is kept where harm was done; None after the deadline."""
    if time.time() >= deadline:
        return None
    outcome = break_once(folder, fault.variant, fault)
    if not outcome.violations:
        shutil.rmtree(folder)
    return outcome


def all_points(variants: Sequence[str], folder: Path, jobs: int = 1) -> list[Point]:
    """Return the points of several stories."""
    with _pool(jobs) as pool:
        return [point for points in pool.map(points_of, variants, repeat(folder)) for point in points]


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


def command(fault: Fault) -> str:
    """Return the command that shows *fault* again."""
    return f'python -P tests/chaos/io_errors.py --replay "{fault}"'


def _count(figures: dict[str, Counter[str]], fault: Fault, outcome: Outcome) -> None:
    figures["tried"][f"{fault.error} {fault.manner}"] += 1
    figures["not_hit"][fault.variant] += not outcome.is_hit
    figures["refused"].update(outcome.refused)
    figures["states"].update(outcome.states)
    figures["ends"].update(map(str, outcome.ends))


def main() -> int:
    """Walk as the command line says; print figures."""
    parser = argparse.ArgumentParser(prog="python -P tests/chaos/io_errors.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10**6, help="begin none after so many")
    parser.add_argument("--faults", type=int, help="end after so many")
    parser.add_argument("--part", default="1/1", help="1/2: one half of the faults")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="faults that are tried at once")
    parser.add_argument("--replay", metavar="FAULT", help="one fault, as it was printed")
    parser.add_argument("--json", type=Path, help="a file that gets the figures, one line a walk")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if (reason := why_not()) is not None:
        print(f"nothing was tried: {reason}", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="io-errors-"))
    began = time.monotonic()
    if options.replay:
        faults, known = [fault_of(options.replay)], {}
    else:
        points = all_points(VARIANTS, folder, options.jobs)
        part, parts = map(int, options.part.split("/"))
        every = all_faults(points, options.seed)
        known = {"points": len(set(points)), "faults": len(every)}
        faults = [fault for fault in every if crc32(str(fault).encode()) % parts == part - 1][: options.faults]
    result = walk(faults, folder, options.jobs, options.minutes * 60)
    result = {
        "seed": options.seed,
        "part": options.part,
        "seconds": round(time.monotonic() - began),
        "all": known,
        **result,
    }
    print(json.dumps(result, indent=1))
    if options.json is not None:
        with options.json.open("a") as file:
            file.write(json.dumps(result) + "\n")
    if result["violations"]:
        print(f"{len(result['violations'])} faults did harm; what they left is kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
