"""``python -P -m tidemill.service.housekeeping``: what the daemon does with the history, where no daemon runs.

For its time it holds the state directory as a daemon would. It prints one JSON document.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidemill.care.policy import Policy
from tidemill.care.rounds import prune
from tidemill.config.loading import load
from tidemill.config.paths import StatePaths
from tidemill.config.settings import Settings
from tidemill.control.answers import code_of
from tidemill.domain.errors import StateDirectoryError, TidemillError
from tidemill.history.compacting import compact
from tidemill.history.database import open_database
from tidemill.history.recorder import Recorder
from tidemill.service.lock import StateLock
from tidemill.service.repairing import repair


def main(arguments: Sequence[str]) -> int:
    """Do what is asked, and print what came of it."""
    options = _parse(arguments)
    try:
        settings, _ = load(options.config, {"flows_dir": options.flows, "state_dir": options.state})
        paths = StatePaths(Path(settings.places.state_dir).absolute())
        become_owner(paths.root)
        with StateLock(paths):
            document = _do(options, settings, paths)
    except TidemillError as error:
        sys.stderr.write(f"tidemill: {error}\n")
        return code_of(error)
    except OSError as error:
        sys.stderr.write(f"tidemill: {error.filename or paths.root} cannot be used: {error.strerror}\n")
        return 1
    json.dump(document, sys.stdout)
    return 0


def become_owner(root: Path) -> None:
    """Go on as the owner of the state directory, where root asks: what is made in it must be the daemon's to change."""
    os.umask(0o077)
    try:
        owner = root.stat()
    except OSError as error:
        raise StateDirectoryError(f"the state directory {root} cannot be looked at: {error.strerror}") from error
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def _do(options: argparse.Namespace, settings: Settings, paths: StatePaths) -> Any:
    if options.verb == "repair":
        logging.basicConfig(stream=sys.stderr, format="tidemill: %(message)s")
        return list(repair(settings, paths))
    return _prune(settings, paths, json.loads(options.bounds), is_compact=options.compact)


def _prune(settings: Settings, paths: StatePaths, bounds: dict[str, Any], *, is_compact: bool) -> dict[str, Any]:
    address = settings.places.database_url or paths.database
    recorder = Recorder(open_database(address))
    recorder.start()
    try:
        report = prune(
            recorder,
            address,
            paths,
            Policy.of(settings.retention).instead(**bounds),
            time.time_ns() // 1000,
            rest=lambda _: False,
        )
    finally:
        recorder.stop()
    if is_compact:
        report.freed += compact(paths.database)
        report.notes = ()
    return report.document()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tidemill.service.housekeeping")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--flows", type=Path)
    parser.add_argument("--state", type=Path)
    verbs = parser.add_subparsers(dest="verb", required=True)
    pruning = verbs.add_parser("prune")
    pruning.add_argument("bounds", help="what stands in for the settings, as JSON")
    pruning.add_argument("--compact", action="store_true")
    verbs.add_parser("repair")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
