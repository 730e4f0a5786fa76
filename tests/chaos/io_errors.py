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
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import count, repeat, takewhile
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zlib import crc32

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from chaos.failing.breaking import Outcome, break_once  # noqa: E402
from chaos.failing.faults import Fault, fault_of  # noqa: E402
from chaos.failing.walking import all_faults, points_of  # noqa: E402
from chaos.reference_run.variants import VARIANTS  # noqa: E402
from chaos.sweeping.points import Point, parse_point  # noqa: E402
from chaos.tracing.tracer import why_not  # noqa: E402

log = logging.getLogger(__name__)


def walk(faults: Sequence[Fault], folder: Path, jobs: int = 1, seconds: float = 10**9) -> Iterator[Outcome]:
    """Try so many faults at a time, and begin none after so many *seconds*."""
    deadline = time.time() + seconds
    with _several(jobs) as each:
        tried = each(try_fault, faults, map(folder.joinpath, map(str, count())), repeat(deadline))
        for number, outcome in enumerate(takewhile(lambda outcome: outcome is not None, tried), 1):
            log.info("%d of %d: %s", number, len(faults), outcome.fault)
            if outcome.violations:
                print(f"{outcome.violations}\n  {command(outcome.fault)}", file=sys.stderr, flush=True)
            yield outcome


def figures_of(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Count what came of faults, and give the violations."""
    figures: dict[str, Counter[str]] = {name: Counter() for name in ("tried", "not_hit", "refused", "states", "ends")}
    points: dict[bool, set[Point]] = {False: set(), True: set()}
    violations = []
    for outcome in outcomes:
        fault = fault_of(outcome.fault)
        figures["tried"][f"{fault.error} {fault.manner}"] += 1
        figures["not_hit"][fault.variant] += not outcome.is_hit
        figures["refused"].update(outcome.refused)
        figures["states"].update(outcome.states)
        figures["ends"].update(map(str, outcome.ends))
        if outcome.is_hit:
            points[bool(fault.seconds)].add(fault.point)
        if outcome.violations:
            violations.append({"fault": outcome.fault, "found": outcome.violations})
    return {
        "faults": figures["tried"].total(),
        "points": len(points[False] | points[True]),
        "points once": len(points[False]),
        "points lasting": len(points[True]),
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
    with _several(jobs) as each:
        return [point for points in each(points_of, variants, repeat(folder)) for point in points]


@contextmanager
def _several(jobs: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Hand out a ``map`` that does so many at once; what has not begun when it is left is not done."""
    if jobs == 1:
        yield map
        return
    # Sessions of their own, as the kernel shares the processor out by session.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=os.setsid) as pool:
        yield pool.map
        pool.shutdown(cancel_futures=True)


def command(fault: str) -> str:
    """Return the command that shows *fault* again."""
    return f'python -P tests/chaos/io_errors.py --replay "{fault}"'


def _lines(file: Path | None) -> list[str]:
    return file.read_text().splitlines() if file is not None and file.exists() else []


def _known(file: Path | None, find: Callable[[], list[Point]]) -> list[Point]:
    """Return the points in *file*, or those that are found, which it then has."""
    if known := _lines(file):
        return [parse_point(line) for line in known]
    points = find()
    if file is not None:
        file.write_text("".join(f"{point}\n" for point in points))
    return points


def main() -> int:
    """Walk as the command line says; print figures."""
    parser = argparse.ArgumentParser(prog="python -P tests/chaos/io_errors.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10**6, help="begin none after so many")
    parser.add_argument("--faults", type=int, help="end after so many")
    parser.add_argument("--part", default="1/1", help="1/2: one half of the faults")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="faults that are tried at once")
    parser.add_argument("--points", type=Path, help="a file that has the points; made where it is missing")
    parser.add_argument("--replay", metavar="FAULT", help="one fault, as it was printed")
    parser.add_argument("--json", type=Path, help="a file that gets an outcome a line; what it has is not done again")
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
        points = _known(options.points, lambda: all_points(VARIANTS, folder, options.jobs))
        part, parts = map(int, options.part.split("/"))
        every = all_faults(points, options.seed)
        known = {"points": len(set(points)), "faults": len(every)}
        faults = [fault for fault in every if crc32(str(fault).encode()) % parts == part - 1][: options.faults]
    outcomes = [Outcome(*json.loads(line)) for line in _lines(options.json)]
    done = {outcome.fault for outcome in outcomes}
    left = [fault for fault in faults if str(fault) not in done]
    for outcome in walk(left, folder, options.jobs, options.minutes * 60):
        outcomes.append(outcome._replace(points=[]))
        if options.json is not None:
            with options.json.open("a") as file:
                file.write(json.dumps(outcomes[-1]) + "\n")
    result = {
        "seed": options.seed,
        "part": options.part,
        "seconds": round(time.monotonic() - began),
        "all": known,
        **figures_of(outcomes),
    }
    print(json.dumps(result, indent=1))
    if result["violations"]:
        print(f"{len(result['violations'])} faults did harm; what they left is kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
