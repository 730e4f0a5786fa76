"""Seeded bugs that other tests have to notice: a plugin that applies the one named by the environment."""

import os
import time
from pathlib import Path
from unittest.mock import patch


def synchronous_off():
    from tidemill.history.database import PRAGMAS

    patch.dict(PRAGMAS, synchronous=0).start()


def a_pid_without_its_start_time():
    from tidemill.journal import processes

    patch.object(processes, "is_alive", lambda process: processes.start_time(process.pid) is not None).start()


def a_result_written_in_place():
    from tidemill.storage import local

    patch.object(local, "write_file", lambda path, data: Path(path).write_bytes(data)).start()


def deadlines_by_the_walls_clock():
    from tidemill.dispatcher.dispatcher import Dispatcher

    make = Dispatcher.__init__

    def by_the_wall(self, *args, **options):
        make(self, *args, **{**options, "monotonic": time.time})

    patch.object(Dispatcher, "__init__", by_the_wall).start()


def a_journal_that_is_not_synced():
    from tidemill.journal.writer import JournalWriter

    patch.object(JournalWriter, "_sync", lambda self: None).start()


CAUGHT_BY = {
    synchronous_off: "integration/history/test_history_database.py::test_the_connection_is_set_as_it_must_be",
    a_pid_without_its_start_time: (
        "unit/journal/test_journal_processes.py::test_a_later_process_of_the_same_pid_is_a_stranger"
    ),
    a_result_written_in_place: (
        "integration/storage/test_storage_atomicity.py::test_a_killed_process_leaves_the_old_file_or_the_new_one"
    ),
    deadlines_by_the_walls_clock: (
        "unit/dispatcher/test_dispatcher_runs.py::test_a_live_run_is_asked_to_stop_and_killed_after_the_grace"
    ),
    a_journal_that_is_not_synced: "unit/journal/test_journal_writer.py",
}

for bug in CAUGHT_BY:
    if bug.__name__ == os.environ.get("TIDEMILL_SEEDED_BUG"):
        bug()
