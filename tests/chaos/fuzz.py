"""Nonsense at every edge: ``python -P tests/chaos/fuzz.py --seed 1 --inputs 1000000``.

Frames of the control socket, lines of journals, ids and names, flow files. What comes of each is a message, a note, a
sentence or an error of a file; never a crash, an import, a file elsewhere, a descriptor that stays open. The same seed
makes the same nonsense, a part at a time (``--only lines``).
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from chaos.fuzzing import frames, ids, lines, serving, sources  # noqa: E402

Part = Callable[[Random, int, Path], dict[str, Any]]
PARTS: dict[str, tuple[Part, int]] = {
    "frames": (lambda random, count, _: frames.take_apart(random, count), 1),
    "frames_served": (frames.serve, 1),
    "frames_daemon": (serving.ask, 20),
    "lines": (lambda random, count, _: lines.understand(random, count), 1),
    "lines_ingested": (lines.ingest, 1),
    "ids": (ids.give, 1),
    "sources": (sources.drop, 200),
}
"""Each with the part of the inputs that it gets: a real daemon takes longer than a function."""
LIBRARIES = frozenset({"click", "tidemill", *sys.stdlib_module_names})
"""What a command may import late; what takes nonsense apart imports nothing at all."""


def fuzz(part: str, seed: int, inputs: int, folder: Path) -> dict[str, Any]:
    """Run one part and return its figures, with all that is wrong in ``violations``."""
    act, share = PARTS[part]
    began = time.monotonic()
    with _silence():
        figures = act(Random(f"{seed}/{part}"), max(inputs // share, 1), folder)
    violations = [told for told in figures if told.startswith("crashes")]
    imports = [name for name in figures.pop("imports", {}) if part != "ids" or name.partition(".")[0] not in LIBRARIES]
    violations += [f"{name} was imported" for name in imports]
    violations += [f"{path} was touched" for path in figures.pop("files", ())]
    violations += [f"{figures[name]} {name}" for name in ("leaked", "processes left") if figures.get(name)]
    violations += [f"{what}: {times}" for what, times in figures.pop("started", {}).items()]
    seconds = round(time.monotonic() - began)
    return {"part": part, "seed": seed, "seconds": seconds, **figures, "violations": violations}


@contextmanager
def _silence() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def main() -> int:
    """Run the parts that the command line names; print their figures."""
    parser = argparse.ArgumentParser(prog="python -P tests/chaos/fuzz.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--only", choices=PARTS, action="append", help="may be repeated")
    parser.add_argument("--json", type=Path, help="a file that gets the figures, one line a part")
    options = parser.parse_args()
    failed = False
    for part in options.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            figures = fuzz(part, options.seed, options.inputs, Path(folder))
        print(json.dumps(figures), flush=True)
        if options.json is not None:
            with options.json.open("a") as file:
                file.write(json.dumps(figures) + "\n")
        if figures["violations"]:
            failed = True
            again = f"--seed {options.seed} --inputs {options.inputs} --only {part}"
            print(f"again: python -P tests/chaos/fuzz.py {again}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
