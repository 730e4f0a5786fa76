"""``python -P -m tidemill.service.check [--limits=NAMES] [--trust] FOLDER|FILE...``: inspect flow files, no daemon.

It prints JSON. NAMES are the limits of the settings, as JSON: a tag that is nearly one of them is warned of.
With ``--trust`` a file is warned of that a daemon of this user would refuse, for somebody else could change it.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tidemill.catalog.checking import check_folder
from tidemill.catalog.known import KnownFile
from tidemill.catalog.sources import SourceStore
from tidemill.config.paths import StatePaths
from tidemill.config.settings import CatalogSettings
from tidemill.domain.errors import TidemillError
from tidemill.domain.manifests import Problem
from tidemill.domain.trust import Trust, objection
from tidemill.forkserver.launch import ensure
from tidemill.service.inspecting import Inspections
from tidemill.service.lock import prepare_state


def main(places: Sequence[str], limits: Sequence[str] = (), trust: Trust | None = None) -> int:
    """Print what each file declares and what is wrong with it; a fork server of its own serves and leaves."""
    with tempfile.TemporaryDirectory(prefix="tidemill-check-") as folder:
        paths = StatePaths(Path(folder))
        prepare_state(paths)
        try:
            with ensure(paths) as client:
                document = [shown for place in places for shown in _check(Path(place), paths, limits, trust)]
                client.retire()
        except TidemillError as error:
            sys.stderr.write(f"tidemill: {error}\n")
            return 1
    json.dump(document, sys.stdout)
    return 0


def _check(place: Path, paths: StatePaths, limits: Sequence[str], trust: Trust | None) -> list[dict[str, Any]]:
    """Check a folder, or one file as if its folder were watched."""
    folder, only = (place, ()) if place.is_dir() else (place.parent, (place,))
    files, problems = check_folder(
        folder,
        only,
        inspect=Inspections(paths),
        sources=SourceStore(paths.source),
        timeout=CatalogSettings().inspect_timeout,
    )
    document = [_shown(file, limits, trust) for file in files]
    if problems and not only:
        told = [_told(Problem(problem)) for problem in problems]
        document.append({"file": str(place), "flows": [], "errors": told, "warnings": []})
    return document


def _shown(file: KnownFile, limits: Sequence[str], trust: Trust | None) -> dict[str, Any]:
    warnings = (*file.warnings, *_odd_tags(file, limits), *_open_files(file, trust))
    return {
        "file": file.shown,
        "flows": [flow.name for flow in file.flows],
        "errors": [_told(problem) for problem in file.errors],
        "warnings": [_told(problem) for problem in warnings],
    }


def _odd_tags(file: KnownFile, limits: Sequence[str]) -> Iterator[Problem]:
    """Yield a warning for every tag that is no limit and reads like one."""
    for tag, line in file.manifest.tags:
        near = [] if tag in limits else get_close_matches(tag, limits, n=1, cutoff=0.8)
        if near:
            yield Problem(f"the tag {tag!r} is no limit, so nothing is limited by it; did you mean {near[0]!r}?", line)


def _open_files(file: KnownFile, trust: Trust | None) -> Iterator[Problem]:
    """Yield a warning for the first of the file and its modules that others could change."""
    paths = [file.path, *(module.path for module in file.manifest.imports)] if trust is not None else []
    found = (objection(path, trust) for path in paths if trust is not None)
    if problem := next(filter(None, found), None):
        yield Problem(f"a daemon of this user refuses it: {problem}")


def _told(problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "message": problem.message}


if __name__ == "__main__":
    given = sys.argv[1:]
    named = json.loads(given.pop(0).removeprefix("--limits=")) if given and given[0].startswith("--limits=") else []
    has_trust = given[:1] == ["--trust"]
    sys.exit(main(given[has_trust:], named, Trust((0, os.geteuid())) if has_trust else None))
