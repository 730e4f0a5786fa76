import errno
import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tidemill.domain.events import (
    OfSubflow,
    RunEnded,
    RunNamed,
    RunNoted,
    RunStarted,
    SubflowStarted,
    TaskEnded,
    TaskStarted,
)
from tidemill.domain.results import ErrorInfo
from tidemill.journal import writer as writing
from tidemill.journal.format import LINE_LIMIT, beside
from tidemill.journal.reader import JournalReader
from tidemill.journal.writer import EXIT_UNRECORDED, URGENT, JournalWriter

STARTED = RunStarted(1, 2, 3, "boot")


class Left(Exception):
    pass


def leave(code):
    raise Left(code)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "k3f0000000.journal"


@pytest.fixture
def hint():
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    yield fd
    os.close(fd)


def hints(fd):
    try:
        return os.eventfd_read(fd)
    except BlockingIOError:
        return 0


def read(path):
    with closing(JournalReader(path)) as reader:
        return reader.read()[0]


def test_events_are_there_as_soon_as_they_are_written(path):
    writer = JournalWriter(path)
    writer.write(STARTED)
    assert read(path) == [STARTED]
    writer.write(RunEnded(2, "completed"))
    assert read(path) == [STARTED, RunEnded(2, "completed")]


def test_the_journal_belongs_to_its_owner_alone(path):
    JournalWriter(path).write(STARTED)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_long_event_is_kept_beside_and_every_line_stays_short(path):
    writer = JournalWriter(path)
    long = [TaskEnded(n, n, "t", "failed", 1, 1, ErrorInfo("E", "m" * n * 3000, "tb")) for n in range(1, 6)]
    for event in long:
        writer.write(event)
        writer.write(TaskStarted(1, 0, "x", 1))
    assert all(len(line) <= LINE_LIMIT for line in path.read_bytes().splitlines(keepends=True))
    assert Path(beside(path)).stat().st_mode & 0o777 == 0o600
    assert [event for event in read(path) if isinstance(event, TaskEnded)] == long


def test_a_long_event_finds_its_place_when_only_the_open_file_is_given(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    writer = JournalWriter(fd)
    event = RunNoted(1, "x" * 10_000)
    writer.write(event)
    assert read(path) == [event]
    writer.close()


def test_a_childs_long_parameters_are_kept_beside(path):
    event = OfSubflow("k3f0000001", SubflowStarted(1, "k3f0000000", 0, "child", {"rows": list(range(5000))}))
    JournalWriter(path).write(event)
    assert len(path.read_bytes()) <= LINE_LIMIT
    assert read(path) == [event]


def test_a_writer_that_goes_on_in_a_journal_goes_on_beside_it_too(path):
    first, second = RunNoted(1, "a" * 5000), RunNoted(2, "b" * 5000)
    for event in (first, second):
        writer = JournalWriter(path)
        writer.write(event)
        writer.close()
    assert read(path) == [first, second]


def test_a_line_that_a_dead_writer_left_unfinished_does_not_swallow_the_next(path):
    path.write_bytes(b'["run_noted",1,"cut of')
    JournalWriter(path).write(STARTED)
    damaged, kept = read(path)
    assert "damaged at byte 0" in damaged.note
    assert kept == STARTED


def test_a_run_event_is_hinted_at_once(path, hint):
    writer = JournalWriter(path, hint)
    writer.write(RunStarted(5_000_000, 2, 3, "boot"))
    assert hints(hint) == 1
    writer.write(RunEnded(5_000_001, "completed"))
    assert hints(hint) == URGENT


def test_task_events_are_hinted_now_and_then(path, hint):
    writer = JournalWriter(path, hint)
    for at in range(5_000_000, 5_020_000, 100):
        writer.write(TaskStarted(at, 0, "t", 1))
    assert hints(hint) == 2


def test_child_runs_come_and_go_like_tasks(path, hint, monkeypatch):
    synced = []
    monkeypatch.setattr(writing.os, "fdatasync", synced.append)
    writer = JournalWriter(path, hint)
    for at in range(5_000_000, 5_020_000, 400):
        writer.write(OfSubflow("k3f0000001", SubflowStarted(at, "k3f0000000", 0, "child", {})))
        writer.write(RunNamed(at + 100, "Monday's"))
        writer.write(OfSubflow("k3f0000001", RunNoted(at + 200, "hello")))
        writer.write(OfSubflow("k3f0000001", RunEnded(at + 300, "completed")))
    assert hints(hint) == 2
    alone = JournalWriter(path)
    alone.write(OfSubflow("k3f0000001", RunEnded(5_020_000, "completed")))
    assert synced == []
    alone.write(RunEnded(5_020_001, "completed"))
    assert len(synced) == 1


def test_a_clock_set_back_does_not_end_the_hints(path, hint):
    writer = JournalWriter(path, hint)
    writer.write(TaskStarted(9_000_000, 0, "t", 1))
    writer.write(TaskStarted(1_000, 0, "t", 1))
    assert hints(hint) == 2


def test_a_full_or_closed_hint_hinders_nobody(path, hint):
    os.eventfd_write(hint, 2**64 - 2)
    JournalWriter(path, hint).write(STARTED)
    JournalWriter(path, 987).write(STARTED)
    assert len(read(path)) == 2


def test_threads_do_not_mix_their_lines(path):
    writer = JournalWriter(path)

    def write(thread):
        for n in range(300):
            writer.write(TaskStarted(1, n, f"{thread}" * 50, 1))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = read(path)
    assert len(events) == 1200
    for number in range(4):
        assert [e.index for e in events if e.name.startswith(str(number))] == list(range(300))


def test_a_forked_copy_of_the_run_writes_nothing(path):
    writer = JournalWriter(path)
    writer.write(STARTED)
    pid = os.fork()
    if pid == 0:
        writer.write(RunEnded(2, "completed"))
        os._exit(0)
    os.waitpid(pid, 0)
    assert read(path) == [STARTED]


class Disk:
    """Stands for the kernel: fails as told, and takes a few bytes at a time."""

    def __init__(self, monkeypatch, error=errno.ENOSPC, failures=0, most=1 << 20):
        self.failures, self.error, self.most, self.real = failures, error, most, os.write
        monkeypatch.setattr(writing.os, "write", self)

    def __call__(self, fd, data):
        if fd == 2:
            return len(data)
        if self.failures:
            self.failures -= 1
            raise OSError(self.error, os.strerror(self.error))
        return self.real(fd, data[: self.most])


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_recovers_costs_patience_and_no_event(path, monkeypatch, error):
    pauses = []
    writer = JournalWriter(path, pause=pauses.append, leave=leave)
    Disk(monkeypatch, error, failures=3)
    writer.write(STARTED)
    assert len(pauses) == 3
    assert read(path) == [STARTED]


def test_a_file_beside_that_cannot_be_opened_yet_is_waited_for(path):
    place = path.with_name(path.name + ".beside")
    place.mkdir()
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            place.rmdir()

    event = TaskEnded(3, 0, "t", "failed", 1, 2, ErrorInfo("ValueError", "x" * 9000))
    JournalWriter(path, pause=pause, leave=leave).write(event)

    assert len(pauses) == 3
    assert read(path) == [event]


def test_a_write_that_is_cut_short_is_completed(path, monkeypatch):
    writer = JournalWriter(path, leave=leave)
    Disk(monkeypatch, most=3)
    writer.write(STARTED)
    writer.write(RunEnded(2, "completed"))
    assert read(path) == [STARTED, RunEnded(2, "completed")]


def test_a_disk_that_stays_full_ends_the_process_and_never_completes_the_run(path, monkeypatch):
    pauses = []
    writer = JournalWriter(path, patience=30, pause=pauses.append, leave=leave)
    writer.write(STARTED)
    Disk(monkeypatch, failures=10**9)
    with pytest.raises(Left) as left:
        writer.write(RunEnded(2, "completed"))
    assert left.value.args == (EXIT_UNRECORDED,) == (74,)
    assert sum(pauses) == pytest.approx(30, abs=0.5)
    assert read(path) == [STARTED]


def test_a_journal_that_user_code_closed_ends_the_process_at_once(path):
    pauses = []
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    writer = JournalWriter(fd, pause=pauses.append, leave=leave)
    os.close(fd)
    with pytest.raises(Left):
        writer.write(STARTED)
    assert pauses == []
