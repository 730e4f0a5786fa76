"""``python -P tests/chaos/simulate.py``: worlds from seeds, a fault in every round, until so many faults were made.

A violation prints its seed and the command that shows it again. Prints one JSON document at the end.
"""

import argparse
import json
import signal
import sys
import time
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from chaos.simulation.exploring import explore, walk  # noqa: E402
from chaos.simulation.faults import COMMIT_POINTS, OTHER_POINTS  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--worlds", type=int, default=10**9, help="worlds at most; 1 replays a seed")
    parser.add_argument("--rounds", type=int, default=60, help="rounds of a world; to be the same in a replay")
    parser.add_argument("--faults", type=int, default=200_000, help="faults after which it ends")
    parser.add_argument("--walks", type=int, default=0, help="seeds whose every point is walked through, instead")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background: it ends, and tells
    begun = time.monotonic()
    found = _walk(range(options.seed, options.seed + options.walks)) if options.walks else _explore(options)
    print(json.dumps({**found, "seconds": round(time.monotonic() - begun, 1)}, indent=1))
    return 1 if found["violations"] else 0


def _explore(options):
    def tell(seed, error):
        print(f"seed {seed}: {type(error).__name__}: {error}", file=sys.stderr)
        if options.worlds == 1:
            traceback.print_exception(error)
        else:
            replay = f"python -P tests/chaos/simulate.py --seed {seed} --worlds 1 --rounds {options.rounds}"
            print(f"  again with: {replay}", file=sys.stderr, flush=True)

    seeds = range(options.seed, options.seed + options.worlds)
    findings = explore(seeds, options.rounds, stop_at=options.faults, on_violation=tell)
    return {
        "seeds": [options.seed, options.seed + findings.worlds - 1],
        "rounds": options.rounds,
        "worlds": findings.worlds,
        "lives of the daemon": findings.lives,
        "faults": findings.total,
        "faults by kind": dict(findings.faults.most_common()),
        "seen": dict(findings.stats.most_common()),
        "violations": findings.violations,
    }


def _walk(seeds):
    killed, violations = {}, []
    for seed in seeds:
        for point in (*COMMIT_POINTS, *OTHER_POINTS):
            try:
                killed[point] = killed.get(point, 0) + walk(seed, point, 150)
            except AssertionError as error:
                violations.append((seed, point, str(error)))
                print(f"seed {seed}, {point}: {error}", file=sys.stderr, flush=True)
    return {
        "seeds": [seeds[0], seeds[-1]],
        "faults": sum(killed.values()),
        "by point": killed,
        "violations": violations,
    }


if __name__ == "__main__":
    sys.exit(main())
