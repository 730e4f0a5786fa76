"""Records runs in a history and says so, one after the other: ``small.py FOLDER RUNS SYNCHRONOUS``.

Executed as a program, for a watcher; with another *synchronous* than the product's it is a seeded bug.
"""

import os
import sys
import time
from pathlib import Path

from tidemill.config.paths import StatePaths
from tidemill.history import database
from tidemill.history.recorder import Recorder
from tidemill.history.records import NewRun
from tidemill.service.lock import prepare_state

FOLD_AFTER = 10
"""Runs after which the write-ahead log is folded into the file."""


def main(folder: str, runs: str, synchronous: str) -> None:
    """Be the program."""
    database.PRAGMAS["synchronous"] = int(synchronous)
    paths = StatePaths(Path(folder) / "state")
    prepare_state(paths)
    recorder = Recorder(database.open_database(paths.database))
    recorder.start()
    acks = os.open(f"{folder}/acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in range(int(runs)):
        uid = f"a{number:09}"
        recorder.call(lambda writer, uid=uid: writer.add_run(NewRun(uid, "nightly", time.time_ns() // 1000)))
        os.write(acks, f"{uid}\n".encode())
        if number % FOLD_AFTER == FOLD_AFTER - 1:
            recorder.aside(lambda pen: pen.tidy())
    recorder.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
