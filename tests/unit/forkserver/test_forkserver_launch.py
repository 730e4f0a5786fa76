import os
from pathlib import Path

import pytest

from tidemill.forkserver import launch, sockets
from tidemill.forkserver.launch import fingerprint, reap


def test_the_same_facts_have_the_same_fingerprint():
    assert fingerprint(("pandas",)) == fingerprint(("pandas",))
    assert fingerprint(("pandas",)) != fingerprint()


def test_another_environment_is_another_fingerprint(monkeypatch):
    before = fingerprint()
    monkeypatch.setenv("DATABASE", "elsewhere")
    assert fingerprint() != before


@pytest.mark.parametrize("name", ["INVOCATION_ID", "NOTIFY_SOCKET", "SSH_TTY", "PWD", "COLUMNS"])
def test_what_changes_at_every_start_is_not_looked_at(monkeypatch, name):
    before = fingerprint()
    monkeypatch.setenv(name, "something")
    assert fingerprint() == before


def test_changed_code_is_another_fingerprint(monkeypatch, tmp_path):
    monkeypatch.setattr(launch, "_PACKAGE", tmp_path)
    (tmp_path / "engine.py").write_text("a")
    before = fingerprint()
    (tmp_path / "engine.py").write_text("ab")
    assert fingerprint() != before


def test_a_server_that_ended_is_reaped():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert reap(pid)
    assert not reap(pid)


def test_a_path_may_be_longer_than_an_address(tmp_path):
    folder = tmp_path.joinpath(*["a-very-long-folder-name"] * 8)
    folder.mkdir(parents=True)
    path = folder / "forkserver.sock"
    assert len(str(path)) > 108
    listener = sockets.listen(path)
    connection = sockets.connect(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in Path(folder).iterdir()] == ["forkserver.sock"]
    connection.close()
    listener.close()


def test_a_new_server_takes_the_place_and_the_old_one_leaves_it_alone(tmp_path):
    path = tmp_path / "s"
    old = sockets.listen(path)
    inode = path.stat().st_ino
    new = sockets.listen(path)
    sockets.withdraw(path, inode)
    sockets.connect(path).close()
    sockets.withdraw(path, path.stat().st_ino)
    assert not path.exists()
    old.close()
    new.close()


def test_what_a_killed_server_left_beside_its_place_is_taken_away(tmp_path):
    (tmp_path / ".s").touch()

    listener = sockets.listen(tmp_path / "s")

    assert list(tmp_path.iterdir()) == [tmp_path / "s"]
    listener.close()


def test_a_place_that_cannot_be_taken_leaves_nothing_behind(tmp_path):
    path = tmp_path / "s"
    path.mkdir()

    with pytest.raises(OSError, match="Is a directory"):
        sockets.listen(path)

    assert list(tmp_path.iterdir()) == [path]


def test_the_peer_is_known(tmp_path):
    path = tmp_path / "s"
    listener = sockets.listen(path)
    connection = sockets.connect(path)
    accepted, _ = listener.accept()
    assert sockets.peer_uid(accepted) == os.getuid()
    for end in (connection, accepted, listener):
        end.close()
