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
from chaos.sweeping.points import Point, parse_point  # noqa: E402
from chaos.tracing.tracer import why_not  # noqa: E402

log = logging.getLogger(__name__)


def walk(faults: Sequence[Fault], folder: Path, jobs: int = 1, seconds: float = 10**9) -> dict[str, Any]:
    """Try so many faults at a time, begin none after so many *seconds*, and return figures and violations."""
    figures: dict[str, Counter[str]] = {name: Counter() for name in ("tried", "not_hit", "refused", "states", "ends")}
    points, violations = set(), []
    deadline = time.time() + seconds
    with _several(jobs) as each:
        for outcome in each(try_fault, faults, map(folder.joinpath, map(str, count())), repeat(deadline)):
            if outcome is None:
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
    with _several(jobs) as each:
        return [point for points in each(points_of, variants, repeat(folder)) for point in points]


@contextmanager
def _several(jobs: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Hand out a ``map`` that does so many at once; what has not begun when it is left is not done."""
    if jobs == 1:
        yield map
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield pool.map
        pool.shutdown(cancel_futures=True)


def command(fault: Fault) -> str:
    """Return the command that shows *fault* again."""
    return f'python -P tests/chaos/io_errors.py --replay "{fault}"'


def _known(file: Path | None, find: Callable[[], list[Point]]) -> list[Point]:
    """Return the points in *file*, or those that are found, which it then has."""
    if file is not None and file.exists():
        return [parse_point(line) for line in file.read_text().splitlines()]
    points = find()
    if file is not None:
        file.write_text("".join(f"{point}\n" for point in points))
    return points


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
    parser.add_argument("--points", type=Path, help="a file that has the points; made where it is missing")
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
        points = _known(options.points, lambda: all_points(VARIANTS, folder, options.jobs))
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
