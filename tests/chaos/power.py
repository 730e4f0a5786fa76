"""Losses of power, played back: ``python -P tests/chaos/power.py --states 5000``.

The system calls of the real stack are recorded, power is cut at many moments of each recording, and every state of
the disk that is drawn is opened by the real code. The same recording and the same seed draw the same states; a
violation keeps its recording and prints the command that shows it again.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from chaos.losing_power.facts import ANSWERED  # noqa: E402
from chaos.losing_power.harming import HARMS  # noqa: E402
from chaos.losing_power.playing import State, draw, play  # noqa: E402
from chaos.losing_power.recording import Recording, Synced, Told  # noqa: E402
from chaos.losing_power.taking import VARIANTS, record_again, record_mending, record_reference, record_story  # noqa: E402
from chaos.tracing.tracer import why_not  # noqa: E402


def run_campaign(seed: int, states: int, hundreds: float, folder: Path) -> dict[str, Any]:
    """Record everything, and examine so many states in all: a half of them of the longer story."""
    takes: dict[str, Callable[[], Recording]] = {
        **{variant: partial(record_reference, variant) for variant in VARIANTS},
        **{f"history {name}": partial(record_mending, harm) for name, harm in HARMS.items()},
        "started again": partial(record_again, seed),
        "story": partial(record_story, hundreds),
    }
    results = []
    for name, take in takes.items():
        recording = take()
        count = states // 2 if name == "story" else states // 2 // (len(takes) - 1)
        result = examine_recording(name, recording, draw(recording, count, seed))
        if result["violations"]:
            recording.save(kept := folder / f"{name.replace(' ', '-')}-{seed}.recording")
            for cut, chance, told in result["violations"][:20]:
                command = f"python -P tests/chaos/power.py --replay {kept} --cut {cut} --chance {chance}"
                print(f"{name}: {told[0][:300]}\n    {command}", file=sys.stderr)
        figures = ", ".join(f"{key} {value}" for key, value in result.items() if key != "violations")
        print(f"{figures}, violations {len(result['violations'])}", file=sys.stderr, flush=True)
        results.append(result)
    return {"seed": seed, "states": sum(result["states"] for result in results), "recordings": results}


def examine_recording(name: str, recording: Recording, states: list[State]) -> dict[str, Any]:
    """Examine *states* of one recording; return figures and violations."""
    begun = time.monotonic()
    counts: Counter[str] = Counter()
    violations = []
    try:
        for state, found in play(recording, states):
            counts.update(states=1, in_doubt=found.in_doubt, torn_journals=found.torn)
            if found.violations:
                violations.append((state.cut, state.chance, found.violations))
    finally:
        shutil.rmtree(recording.folder, ignore_errors=True)
    return {
        "recording": name,
        "deeds": len(recording.deeds),
        "syncs": sum(isinstance(deed, Synced) for deed in recording.deeds),
        "answers": sum(isinstance(deed, Told) and deed.what == ANSWERED for deed in recording.deeds),
        "states": counts["states"],
        "cuts": len({state.cut for state in states}),
        "in_doubt": counts["in_doubt"],
        "torn_journals": counts["torn_journals"],
        "seconds": round(time.monotonic() - begun),
        "violations": violations,
    }


def main() -> int:
    """Play as the command line says; print figures."""
    parser = argparse.ArgumentParser(prog="python -P tests/chaos/power.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--states", type=int, default=5000)
    parser.add_argument("--hundreds", type=float, default=1.0, help="how many hundreds of runs the longer story has")
    parser.add_argument("--folder", type=Path, help="where recordings are kept whose states violate something")
    parser.add_argument("--json", type=Path, help="a file that gets the result, one line a campaign")
    parser.add_argument("--replay", type=Path, help="a recording that was kept, instead")
    parser.add_argument("--cut", type=int, help="with --replay: one state of it; what it leaves stays where it was")
    parser.add_argument("--chance", type=int)
    options = parser.parse_args()
    if options.replay is not None:
        return _replay(options)
    if (reason := why_not()) is not None:
        print(f"nothing can be recorded: {reason}", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix=f"power-{options.seed}-", dir=options.folder))
    result = run_campaign(options.seed, options.states, options.hundreds, folder)
    print(json.dumps(result, indent=1))
    if options.json is not None:
        with options.json.open("a") as file:
            file.write(json.dumps(result) + "\n")
    if any(recording["violations"] for recording in result["recordings"]):
        return 1
    folder.rmdir()
    return 0


def _replay(options: argparse.Namespace) -> int:
    recording = Recording.load(options.replay)
    if options.cut is None:
        result = examine_recording(options.replay.stem, recording, draw(recording, options.states, options.seed))
        print(json.dumps(result, indent=1))
        return bool(result["violations"])
    ((_, found),) = play(recording, [State(options.cut, options.chance)])
    print("\n".join(found.violations) or "nothing is wrong")
    print(f"what was left, and started with, is in {recording.folder}", file=sys.stderr)
    return bool(found.violations)


if __name__ == "__main__":
    sys.exit(main())
