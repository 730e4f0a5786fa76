"""Histories of commands drawn by Hypothesis: ``python -P tests/chaos/stateful.py --seed 1 --examples 500``.

Each history has a folder, a real daemon and the real CLI; what was answered must be so, after every step and at the
end. The same seed draws the same histories; one that goes wrong is made as short as it can be and printed.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings  # noqa: E402
from hypothesis.stateful import run_state_machine_as_test  # noqa: E402

from chaos.commanding.asking import Asking  # noqa: E402
from chaos.commanding.caring import Caring  # noqa: E402
from chaos.commanding.filing import Filing  # noqa: E402
from chaos.commanding.running import Running  # noqa: E402
from chaos.commanding.serving import Serving  # noqa: E402

HOW = {
    "deadline": None,
    "database": None,
    "print_blob": False,
    "suppress_health_check": list(HealthCheck),
    "report_multiple_bugs": False,
}


class Everything(Serving, Filing, Running, Asking, Caring):
    """A person who does everything there is to do."""


def run_histories(number: int, steps: int, *, begin: int = 1, shrinks: bool = True) -> dict[str, Any]:
    """Go through so many histories, and return figures; raises AssertionError for the shortest that went wrong."""
    began = time.monotonic()
    phases = [Phase.generate, Phase.shrink] if shrinks else [Phase.generate]
    how = settings(max_examples=number, stateful_step_count=steps, phases=phases, verbosity=Verbosity.normal, **HOW)
    Everything.steps.clear()
    Everything.figures.clear()
    run_state_machine_as_test(seed(begin)(Everything), settings=how)
    return figures_of(begin, time.monotonic() - began)


def figures_of(begin: int, seconds: float) -> dict[str, Any]:
    """Return what was done so far."""
    steps = dict(Everything.steps.most_common())
    return {
        "seed": begin,
        "seconds": round(seconds),
        **Everything.figures,
        "followed": sum(steps.values()),
        "steps": steps,
    }


def main() -> int:
    """Run as the command line says; print figures."""
    parser = argparse.ArgumentParser(prog="python -P tests/chaos/stateful.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--steps", type=int, default=40, help="the most of one history")
    parser.add_argument("--folder", type=Path, help="where the worlds lie; one that went wrong stays")
    parser.add_argument("--as-found", action="store_true", help="do not make shorter what went wrong")
    parser.add_argument("--json", type=Path, help="a file that gets the figures, one line a campaign")
    options = parser.parse_args()
    Everything.below = options.folder
    began = time.monotonic()
    try:
        run_histories(options.examples, options.steps, begin=options.seed, shrinks=not options.as_found)
    except BaseException:
        again = f"--seed {options.seed} --examples {options.examples} --steps {options.steps}"
        print(f"again: python -P tests/chaos/stateful.py {again}", file=sys.stderr)
        raise
    finally:
        figures = figures_of(options.seed, time.monotonic() - began)
        print(json.dumps(figures, indent=1))
        if options.json is not None:
            with options.json.open("a") as file:
                file.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
