import os
import subprocess
import sys

import pytest

from tidemill.domain.events import RunNoted, RunStarted
from tidemill.domain.runs import ProcessName
from tidemill.journal.processes import name_process
from tidemill.journal.writer import JournalWriter
from tidemill.service.processes import process_of

HOLD = "import sys; file = open(sys.argv[1], 'a'); print('holds', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path):
    """A process that has made a journal and written nothing yet."""
    path = tmp_path / "run.journal"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield path, process
        process.stdin.close()


def test_the_first_line_names_the_process(tmp_path):
    journal = JournalWriter(tmp_path / "run.journal")
    journal.write(RunStarted(1, 7, 8, "boot"))
    journal.write(RunNoted(2, "more"))
    assert process_of(tmp_path / "run.journal") == ProcessName(7, 8, "boot")


def test_an_empty_journal_belongs_to_who_holds_it_open(holder):
    path, process = holder
    assert process_of(path) == name_process(process.pid)


def test_an_empty_journal_that_nobody_holds_belongs_to_the_dead(holder):
    path, process = holder
    process.kill()
    process.wait()
    assert process_of(path) is None


def test_the_one_who_asks_is_not_taken_for_the_run(tmp_path):
    path = tmp_path / "run.journal"
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        assert process_of(path) is None
    finally:
        os.close(fd)


def test_no_journal_is_no_process(tmp_path):
    assert process_of(tmp_path / "run.journal") is None
