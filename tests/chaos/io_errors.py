"""I/O errors at every call of the reference run: ``python -P tests/chaos/io_errors.py --seed 1 --minutes 10``.

The real stack tells its story again and again; each time one call that changes something on the disk fails with
ENOSPC, EIO, EROFS or EMFILE, alone, or the disk goes on failing for a while. Then it heals, and all must be well.
"""

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from zlib import crc32

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from chaos.failing.breaking import Outcome, break_once  # noqa: E402
from chaos.failing.faults import Fault, fault_of  # noqa: E402
from chaos.failing.walking import all_faults, all_points  # noqa: E402
from chaos.tracing.tracer import why_not  # noqa: E402

log = logging.getLogger(__name__)


def walk(faults: list[Fault], folder: Path, until: float = float("inf")) -> dict[str, Any]:
    """Try one fault after the other until the monotonic clock says *until*; return figures and violations."""
    figures: dict[str, Counter[str]] = {name: Counter() for name in ("tried", "not_hit", "refused", "states", "ends")}
    points, violations = set(), []
    for number, fault in enumerate(faults):
        if time.monotonic() >= until:
            break
        world = folder / f"{number}"
        log.info("%d of %d: %s", number + 1, len(faults), fault)
        outcome = break_once(world, fault.variant, fault)
        _count(figures, fault, outcome)
        if outcome.is_hit:
            points.add(fault.point)
        if outcome.violations:
            violations.append({"fault": str(fault), "folder": str(world), "found": outcome.violations})
            print(f"{outcome.violations}\n  {command(fault)}", file=sys.stderr, flush=True)
        else:
            shutil.rmtree(world)
    return {
        "faults": figures["tried"].total(),
        "points": len(points),
        **{name: dict(counts) for name, counts in figures.items()},
        "violations": violations,
    }


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
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after so many")
    parser.add_argument("--faults", type=int, help="end after so many")
    parser.add_argument("--part", default="1/1", help="1/2: one half of the faults")
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
        points = all_points(folder)
        known = {variant: len(passed) for variant, passed in points.items()}
        part, parts = map(int, options.part.split("/"))
        every = all_faults(points, options.seed)
        known["faults"] = len(every)
        faults = [fault for fault in every if crc32(str(fault).encode()) % parts == part - 1][: options.faults]
    result = walk(faults, folder, began + 60 * options.minutes)
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
