import signal

from tidemill.journal import exits
from tidemill.journal.exits import ProcessExit, append_exit, describe_status, find_exit, read_exits

FIRST = ProcessExit("k3f0000000", 100, 5000, 0, 1)
SECOND = ProcessExit("m4g0000000", 101, 5001, -9, 2)
THIRD = ProcessExit("p5h0000000", 102, 5002, 3, 3)


def test_exits_are_kept_in_order(tmp_path):
    path = tmp_path / "exits"
    append_exit(path, FIRST)
    assert read_exits(path) == [FIRST]
    append_exit(path, SECOND)
    assert read_exits(path) == [FIRST, SECOND]
    assert find_exit(path, SECOND.run) == SECOND
    assert find_exit(path, THIRD.run) is None


def test_no_file_is_no_exit(tmp_path):
    assert read_exits(tmp_path / "exits") == []
    assert find_exit(tmp_path / "exits", "k3f0000000") is None


def test_the_file_belongs_to_its_owner_alone(tmp_path):
    append_exit(tmp_path / "exits", FIRST)
    assert (tmp_path / "exits").stat().st_mode & 0o777 == 0o600


def test_an_unfinished_line_waits_and_a_damaged_one_is_passed_over(tmp_path):
    path = tmp_path / "exits"
    append_exit(path, FIRST)
    with path.open("ab") as file:
        file.write(b"\0\0\0\n")
    append_exit(path, SECOND)
    with path.open("ab") as file:
        file.write(b'["p5h000')
    assert read_exits(path) == [FIRST, SECOND]


def test_a_line_that_a_power_cut_has_torn_swallows_no_other(tmp_path):
    path = tmp_path / "exits"
    append_exit(path, FIRST)
    with path.open("ab") as file:
        file.write(b'["p5h000')
    append_exit(path, SECOND)
    append_exit(path, THIRD)
    assert read_exits(path) == [FIRST, SECOND, THIRD]


def test_a_large_file_is_set_aside_and_what_it_holds_is_still_found(tmp_path, monkeypatch):
    path = tmp_path / "exits"
    monkeypatch.setattr(exits, "SIZE_LIMIT", 50)
    append_exit(path, FIRST)
    append_exit(path, SECOND)
    append_exit(path, THIRD)
    assert read_exits(path) == [FIRST, SECOND, THIRD]
    assert path.stat().st_size < 50
    assert [find_exit(path, run) for run in (FIRST.run, THIRD.run, "zzz0000000")] == [FIRST, THIRD, None]


def test_an_exit_is_said_in_words():
    assert describe_status(3) == "exit code 3"
    assert describe_status(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert describe_status(-40) == "killed by signal 40"
