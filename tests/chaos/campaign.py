"""A campaign of SIGKILL on the real stack: ``python -P tests/chaos/campaign.py --seed 1 --minutes 10``.

Flows run by schedule and by hand while daemons, fork servers and runs are killed at random moments; when all is quiet
again, what people were told, what tasks did and what the history says must agree. The same seed draws the same
strokes; what the machine does between them is its own.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from chaos.killing.evidence import Evidence  # noqa: E402
from chaos.killing.findings import check_all  # noqa: E402
from chaos.killing.nemesis import STROKES, Nemesis  # noqa: E402
from chaos.killing.person import Person  # noqa: E402
from chaos.killing.reader import Onlooker  # noqa: E402
from chaos.killing.rest import come_to_rest, tracebacks  # noqa: E402
from chaos.killing.stack import Stack  # noqa: E402
from chaos.killing.workload import STEPS  # noqa: E402
from chaos.upgrading.other_version import patch_release  # noqa: E402

SHOWN = 2.0
"""Seconds within which everybody can see that a run has crashed, while its daemon lives."""


UPGRADES = {"change_version": 1}
"""The strokes of a campaign in which nothing happens but that daemons of two versions follow each other."""


def run_campaign(
    seed: int, folder: Path, *, seconds: float, kills: int = 10**9, upgrades: int = 0, people: int = 2
) -> dict[str, Any]:
    """Run one campaign and return its figures and violations; with *upgrades* one of so many changes of the version."""
    stack = Stack(folder)
    stack.know_version(patch_release(folder / "versions"))
    nemesis = Nemesis(stack, Random(f"{seed}/nemesis"), UPGRADES if upgrades else STROKES)
    persons = [
        Person(stack, Random(f"{seed}/person/{number}"), number, nemesis.strike_after_answer)
        for number in range(people)
    ]
    onlooker = Onlooker(stack.state / "history.db")
    began = time.monotonic()
    try:
        for thread in (*persons, onlooker):
            thread.start()
        nemesis.go_on_until(
            lambda: (
                nemesis.counts["version changed"] >= upgrades
                if upgrades
                else time.monotonic() - began >= seconds or nemesis.kills >= kills
            )
        )
        for person in persons:
            person.over.set()
        violations = _settle(stack, nemesis, persons)
        onlooker.over.set()
        onlooker.join()
        deeds = [deed for person in persons for deed in person.deeds]
        evidence = Evidence(stack.state, stack.ledger, deeds, nemesis.strokes)
        found, figures = check_all(evidence)
        evidence.close()
    finally:
        stack.sweep()
    violations += [*nemesis.violations, *onlooker.violations, *found, *tracebacks(stack.log)]
    violations += [f"a crash was shown after {took} s" for took in nemesis.shown if took > SHOWN]
    violations += [f"told to a person: {told[:300]}" for person in persons for told in person.strange]
    return {
        "seed": seed,
        "seconds": round(time.monotonic() - began),
        "kills": {kind: nemesis.counts[kind] for kind in ("daemon", "forkserver", "run", "child")},
        "strokes": dict(nemesis.counts),
        "daemon_starts": stack.starts,
        "answered": sum(deed.answered is not None for deed in deeds),
        "unanswered": sum(deed.answered is None for deed in deeds),
        "refused": sum(person.refused for person in persons),
        "looks": onlooker.looks,
        "reader_troubles": dict(onlooker.troubles),
        "crashes_shown_within": sorted(nemesis.shown)[-5:],
        "crashes_measured": len(nemesis.shown),
        "errors_in_log": dict(_errors(stack.log).most_common(12)),
        **figures,
        "violations": violations,
    }


def _settle(stack: Stack, nemesis: Nemesis, persons: list[Person]) -> list[str]:
    """Let everything come to its end, and look at what is left."""
    if not nemesis.bring_back():
        return [f"I14 no daemon serves: {stack.log.read_text()[-2000:]}"]
    for person in persons:
        person.join()
    # The last answer to somebody may have brought another stroke.
    if not nemesis.bring_back():
        return [f"I14 no daemon serves: {stack.log.read_text()[-2000:]}"]
    return come_to_rest(stack, STEPS)


def _errors(path: Path) -> Counter[str]:
    """Count what the daemons complained of, whatever the names and numbers in it."""
    lines = re.findall(r"(?:ERROR|CRITICAL|WARNING)[^\n]*", path.read_text(errors="replace"))
    return Counter(re.sub(r"\S*\d\S*", "#", line)[:100] for line in lines)


def main() -> int:
    """Run campaigns as the command line says; print their figures."""
    parser = argparse.ArgumentParser(prog="python -P tests/chaos/campaign.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--kills", type=int, default=10**9, help="end after so many")
    parser.add_argument("--upgrades", type=int, default=0, help="kill no run; change the version under load, so often")
    parser.add_argument("--folder", type=Path, help="where the state lies; kept when something was violated")
    parser.add_argument("--json", type=Path, help="a file that gets the result, one line a campaign")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix=f"campaign-{options.seed}-", dir=options.folder))
    result = run_campaign(
        options.seed, folder, seconds=options.minutes * 60, kills=options.kills, upgrades=options.upgrades
    )
    print(json.dumps(result, indent=1))
    if options.json is not None:
        with options.json.open("a") as file:
            file.write(json.dumps(result) + "\n")
    if result["violations"]:
        print(f"{len(result['violations'])} violations; everything is kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
