import errno
import os
from contextlib import closing
from pathlib import Path

import pytest

from tidemill.domain.events import RunEnded, RunNoted, RunStarted, TaskEnded, TaskStarted
from tidemill.domain.results import ErrorInfo
from tidemill.journal.format import beside, encode
from tidemill.journal.reader import MOST_TOLD, PIECE, WEIGHT, JournalReader
from tidemill.journal.writer import JournalWriter

EVENTS = [
    RunStarted(100, 2, 3, "boot"),
    *(TaskStarted(101 + n, n, "t" * n, 1) for n in range(20)),
    RunEnded(200, "failed"),
]


def read(path, offset=0):
    with closing(JournalReader(path, offset)) as reader:
        return reader.read()[0]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "k3f0000000.journal"
    path.write_bytes(b"".join(map(encode, EVENTS)))
    return path


def test_all_is_read_once(path):
    reader = JournalReader(path)
    events, offset = reader.read()
    assert events == EVENTS
    assert offset == path.stat().st_size == reader.offset
    assert reader.read() == ([], offset)


def test_small_pieces_make_the_same_whole(path):
    reader = JournalReader(path)
    events = []
    while piece := reader.read(64)[0]:
        events += piece
    assert events == EVENTS


def test_another_reader_goes_on_at_the_offset(path):
    first = JournalReader(path)
    events, offset = first.read(200)
    assert events == EVENTS[: len(events)]
    assert read(path, offset) == EVENTS[len(events) :]


def test_a_reader_set_back_reads_again(path):
    reader = JournalReader(path)
    reader.read()
    reader.offset = 0
    assert reader.read()[0] == EVENTS


def test_a_hole_without_end_in_a_journal_costs_a_moment(path):
    whole = path.stat().st_size
    os.truncate(path, 1 << 40)
    reader = JournalReader(path)

    events, looks = [], 0
    while found := reader.read()[0]:
        events += found
        looks += 1

    assert looks < 30
    assert events[: len(EVENTS)] == EVENTS
    assert events[-1].note.startswith("too much of the journal is damaged; it is not read from byte ")
    assert reader.offset == 1 << 40
    assert f"at byte {whole}" in events[len(EVENTS)].note
    with path.open("ab") as file:
        file.write(b"\n" + encode(EVENTS[-1]))
    assert reader.read()[0] == EVENTS[-1:]


def test_damage_line_by_line_is_told_so_often_and_then_not_any_more(path):
    with path.open("ab") as file:
        file.write(b"x\n" * 5000 + encode(EVENTS[-1]))
    reader = JournalReader(path)
    events = reader.read()[0]

    notes = [event.note for event in events if isinstance(event, RunNoted)]
    assert len(notes) == MOST_TOLD
    assert notes[-1].endswith("more of it is not told line by line")
    assert events[-1] == EVENTS[-1]


def test_a_journal_that_is_not_there_yet_is_empty(tmp_path):
    reader = JournalReader(tmp_path / "later.journal")
    assert reader.read() == ([], 0)
    JournalWriter(reader.path).write(EVENTS[0])
    assert reader.read()[0] == EVENTS[:1]


def test_the_last_line_waits_until_it_is_whole_wherever_it_is_cut(tmp_path):
    path = tmp_path / "cut.journal"
    first, last = encode(EVENTS[0]), encode(EVENTS[1])
    for cut in range(len(last)):
        path.write_bytes(first + last[:cut])
        reader = JournalReader(path)
        assert reader.read() == ([EVENTS[0]], len(first))
        path.write_bytes(first + last)
        assert reader.read() == ([EVENTS[1]], len(first + last))
        reader.close()


@pytest.mark.parametrize("damage", [b"\0" * 30, b'["run_noted"]', b"\xff\xfe garbage \r with a return", b"[1,2]"])
def test_a_damaged_line_is_told_and_what_follows_is_kept(tmp_path, damage):
    path = tmp_path / "damaged.journal"
    path.write_bytes(encode(EVENTS[0]) + damage + b"\n" + encode(EVENTS[1]))
    before, note, after = read(path)
    assert (before, after) == (EVENTS[0], EVENTS[1])
    assert note.at == EVENTS[0].at
    assert f"damaged at byte {len(encode(EVENTS[0]))}" in note.note


def test_damage_before_anything_else_has_a_time_too(tmp_path):
    path = tmp_path / "damaged.journal"
    path.write_bytes(b"what?\n")
    (note,) = read(path)
    assert note.at == path.stat().st_mtime_ns // 1000


def test_damage_without_an_end_does_not_stop_the_reader(tmp_path):
    path = tmp_path / "damaged.journal"
    path.write_bytes(b"x" * (2 * PIECE + 5) + b"\n" + encode(EVENTS[0]))
    reader = JournalReader(path)
    events = []
    while piece := reader.read(4096)[0]:
        events += piece
    assert events[-1] == EVENTS[0]
    assert all(isinstance(event, RunNoted) for event in events[:-1])


def test_a_long_event_whose_file_is_gone_is_told(tmp_path):
    path = tmp_path / "long.journal"
    writer = JournalWriter(path)
    writer.write(RunNoted(1, "x" * 5000))
    writer.write(EVENTS[-1])
    Path(beside(path)).unlink()
    note, kept = read(path)
    assert "cannot be read" in note.note
    assert kept == EVENTS[-1]


def test_a_long_event_that_was_cut_is_told(tmp_path):
    path = tmp_path / "long.journal"
    JournalWriter(path).write(RunNoted(1, "x" * 5000))
    with Path(beside(path)).open("r+b") as file:
        file.truncate(100)
    (note,) = read(path)
    assert "damaged" in note.note


@pytest.mark.parametrize(
    ("offset", "length"), [(2**63, 5), (2**70, 5), (0, 2**63), (0, 2**33), (2**62, 2**62), (9, 90)]
)
def test_a_line_that_points_to_where_nothing_is_is_damage_and_costs_nothing(tmp_path, offset, length):
    path = tmp_path / "hostile.journal"
    path.write_bytes(f'["beside",{offset},{length}]\n'.encode() + encode(EVENTS[0]))
    Path(beside(path)).write_bytes(b"x" * 20)
    note, kept = read(path)
    assert "damaged" in note.note
    assert kept == EVENTS[0]


def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path):
    path = tmp_path / "hostile.journal"
    path.write_bytes(b'["beside",0,0]\n' + encode(EVENTS[0]))
    os.mkfifo(beside(path))
    os.mkfifo(tmp_path / "pipe.journal")
    note, kept = read(path)
    assert "damaged" in note.note
    assert kept == EVENTS[0]
    with pytest.raises(OSError, match="seek"):
        JournalReader(tmp_path / "pipe.journal").read()


def test_an_event_of_a_later_version_is_passed_over_with_a_note(tmp_path):
    path = tmp_path / "later.journal"
    path.write_bytes(b'["run_danced",1]\n' + encode(EVENTS[0]))
    note, kept = read(path)
    assert "run_danced" in note.note
    assert kept == EVENTS[0]


def test_a_closed_reader_opens_again(path):
    reader = JournalReader(path)
    reader.read(200)
    reader.close()
    assert reader.read()[0][-1] == EVENTS[-1]
    reader.close()


def test_long_events_end_a_piece_by_their_weight(tmp_path):
    path = tmp_path / "k3f0000000.journal"
    path.touch()
    writer = JournalWriter(path)
    told = [RunNoted(number, "x" * 200_000) for number in range(20)]
    for event in told:
        writer.write(event)
    reader = JournalReader(path)
    events, cuts = [], []
    while piece := reader.read()[0]:
        assert sum(len(event.note) for event in piece) <= WEIGHT + 2 * 200_000
        events += piece
        cuts.append(reader.is_cut)

    assert events == told
    assert cuts == [True, True, True, False]


def test_a_long_event_is_not_lost_because_nothing_more_can_be_opened(tmp_path, monkeypatch):
    event = TaskEnded(3, 0, "t", "failed", 1, 2, ErrorInfo("ValueError", "x" * 9000))
    path = tmp_path / "new.journal"
    writer = JournalWriter(path)
    writer.write(event)
    writer.close()
    reader = JournalReader(path)
    opened = os.open

    def refuse(name, *args):
        if str(name).endswith(".beside"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(name, *args)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with pytest.raises(OSError, match="Too many open files"):
            reader.read()

    assert reader.read()[0] == [event]
