"""A sweep of kills over every state-changing system call: ``python -P tests/chaos/sweep.py``.

Each story of the reference run is told once to number its calls, then once for each of them: the process that is
about to make the call is killed, the story goes on as systemd would make it, and when all is quiet nothing may be
wrong. Pairs are killed a second time, at a call of what follows the first.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from chaos.sweeping.points import Point, parse_point  # noqa: E402
from chaos.sweeping.recording import record  # noqa: E402
from chaos.sweeping.telling import summary  # noqa: E402
from chaos.sweeping.worlds import TELLINGS, Outcome, kill_at  # noqa: E402
from chaos.tracing.tracer import why_not  # noqa: E402

TRIES = 3
"""How often a point is looked for that the story did not come to."""


def points_of(variants: Iterable[str], folder: Path, tellings: int = 3) -> list[Point]:
    """Return the points of the stories.

    A story that is told slowly has more moments of its schedule, and more calls of some kinds: of each kind so many
    are points as each telling came to that came to any of it.
    """
    points = []
    for variant in variants:
        told = [Counter(point[:4] for point in record(variant, folder / f"{variant}-{n}")) for n in range(tellings)]
        for kind in dict.fromkeys(kind for counts in told for kind in counts):
            fewest = min(counts[kind] for counts in told if kind in counts)
            points += [Point(*kind, nth) for nth in range(1, fewest + 1)]
    return points


def pairs_of(points: Sequence[Point], count: int, seed: int) -> list[Point]:
    """Draw pairs: a first point, and how many calls after it the second kill is."""
    chance = Random(seed)
    return [chance.choice(points)._replace(then=chance.randint(1, 400)) for _ in range(count)]


def sweep(points: Iterable[Point], folder: Path, jobs: int) -> Iterator[Outcome]:
    """Kill at each of the points, several worlds at a time; those with violations are kept in *folder*."""
    # Sessions of their own, as the kernel shares the processor out by session: fork servers have theirs too.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=os.setsid) as pool:
        worlds = [pool.submit(try_point, point, folder / f"{number}") for number, point in enumerate(points)]
        for world in as_completed(worlds):
            yield world.result()


def try_point(point: Point, folder: Path) -> Outcome:
    """Kill at a point; where the story does not come to it, tell it again."""
    folder.mkdir()
    for number in range(TRIES):
        outcome = kill_at(point, folder / f"{number}")
        if outcome.violations:
            return outcome._replace(violations=[*outcome.violations, f"everything is kept in {folder / f'{number}'}"])
        shutil.rmtree(folder / f"{number}")
        if outcome.hits:
            break
    folder.rmdir()
    return outcome


def main() -> int:
    """Sweep as the command line says; print what came of it."""
    parser = argparse.ArgumentParser(prog="python -P tests/chaos/sweep.py", description=__doc__)
    parser.add_argument("--variant", action="append", choices=TELLINGS, help="only this story; may be said again")
    parser.add_argument("--part", default="1/1", help="1/2 and 2/2 are halves that two processes can do")
    parser.add_argument("--jobs", type=int, default=2, help="worlds at a time")
    parser.add_argument("--sample", type=int, help="only so many of the points, drawn by the seed")
    parser.add_argument("--pairs", type=int, default=0, help="so many pairs, drawn by the seed, instead of the points")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one point, as a violation names it")
    parser.add_argument("--points", type=Path, help="a file that has the points of an earlier sweep, or gets them")
    parser.add_argument("--json", type=Path, help="a file that gets an outcome a line; what it has is not done again")
    parser.add_argument("--folder", type=Path, help="where the worlds lie; kept when something was violated")
    options = parser.parse_args()
    if (reason := why_not()) is not None:
        print(f"nothing is swept: {reason}", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="sweep-", dir=options.folder))
    began = time.monotonic()
    points = [parse_point(text) for text in [options.only] if text is not None]
    points = points or [parse_point(line) for line in _lines(options.points)]
    if not points:
        points = points_of(options.variant or TELLINGS, folder)
        if options.points is not None:
            options.points.write_text("".join(f"{point}\n" for point in points))
    chosen = pairs_of(points, options.pairs, options.seed) if options.pairs else points
    # In an order drawn by chance, the many pages of the history last: of a sweep that is cut short that is the rest.
    chosen = Random(options.seed).sample(chosen, min(options.sample or len(chosen), len(chosen)))
    chosen.sort(key=lambda point: point.call == "pwrite64")
    part, parts = map(int, options.part.split("/"))
    chosen = [point for point in chosen if zlib.crc32(str(point).encode()) % parts == part - 1]
    outcomes = [Outcome(*json.loads(line)) for line in _lines(options.json)]
    done = {outcome.point for outcome in outcomes}
    print(f"{len(points)} points; {len(chosen)} worlds, {len(done)} of them done", flush=True)
    for outcome in sweep([point for point in chosen if str(point) not in done], folder, options.jobs):
        outcomes.append(outcome)
        if options.json is not None:
            with options.json.open("a") as file:
                file.write(json.dumps(outcome) + "\n")
        print(f"{len(outcomes)} {outcome.seconds} s {outcome.hits} {outcome.point}", file=sys.stderr)
        for violation in outcome.violations:
            print(f"{outcome.point}: {violation}")
        if outcome.violations:
            print(f"  again: python -P tests/chaos/sweep.py --only '{outcome.point}'", flush=True)
    print("\n".join(summary(outcomes)))
    print(f"{time.monotonic() - began:.0f} s")
    if any(outcome.violations for outcome in outcomes):
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _lines(path: Path | None) -> list[str]:
    return path.read_text().splitlines() if path is not None and path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
