import errno
import os
import stat

import pytest

from tidemill.config.paths import StatePaths
from tidemill.domain.errors import AlreadyRunning, StateDirectoryError
from tidemill.service.lock import StateLock, prepare_state, read_pid


@pytest.fixture
def paths(tmp_path):
    made = StatePaths(tmp_path / "state")
    prepare_state(made)
    return made


def test_everything_in_the_state_directory_is_for_its_owner_alone(paths):
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in paths.folders} == {0o700}


def test_others_may_pass_to_the_socket_when_they_are_named_and_only_then(paths):
    prepare_state(paths, passable=True)
    assert paths.root.stat().st_mode & 0o777 == 0o711
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in paths.folders if folder != paths.root)
    prepare_state(paths)
    assert paths.root.stat().st_mode & 0o777 == 0o700


def test_preparing_twice_changes_nothing(paths):
    prepare_state(paths)


def test_what_a_killed_daemon_left_of_its_trial_is_taken_away(paths):
    (paths.root / ".probe").touch()
    before = set(paths.folders)
    prepare_state(paths)
    assert set(paths.root.iterdir()) == before - {paths.root}


def test_a_file_in_the_way_is_told_with_its_path(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StateDirectoryError, match="file/state cannot be written"):
        prepare_state(StatePaths(tmp_path / "file" / "state"))


def test_the_second_holder_is_refused_and_told_the_firsts_pid(paths):
    with StateLock(paths) as lock:
        lock.write_pid()
        with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"), StateLock(paths):
            pass


def test_the_lock_and_the_pid_file_are_gone_afterwards(paths):
    with StateLock(paths) as lock:
        lock.write_pid()
        assert read_pid(paths.pid_file) == os.getpid()

    assert not paths.pid_file.exists()
    with StateLock(paths):
        pass


def test_a_lock_whose_file_was_removed_or_replaced_keeps_nobody_out(paths):
    with StateLock(paths) as lock:
        assert lock.is_ours
        paths.lock.unlink()
        assert not lock.is_ours
        paths.lock.touch()
        assert not lock.is_ours


def test_a_stale_pid_file_holds_nobody_up(paths):
    paths.pid_file.write_text("12345\n")

    with StateLock(paths) as lock:
        lock.write_pid()
        assert read_pid(paths.pid_file) == os.getpid()


def test_a_file_system_that_went_read_only_does_not_keep_it_from_ending(paths, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with StateLock(paths) as lock:
        lock.write_pid()
        monkeypatch.setattr(os, "unlink", refuse)
    monkeypatch.undo()
    assert read_pid(paths.pid_file) == os.getpid()
    with StateLock(paths):
        assert paths.lock.exists()


@pytest.mark.parametrize("name", ["lock", "daemon.new"])
def test_a_disk_that_refuses_the_lock_or_the_pid_is_told_in_a_sentence(paths, name):
    (paths.root / name).mkdir()  # which nobody can open for writing

    told = r"state cannot be written \(Is a directory\); make room there"
    with pytest.raises(StateDirectoryError, match=told), StateLock(paths) as lock:
        lock.write_pid()
