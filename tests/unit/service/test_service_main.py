import errno
import os

from tidemill.service import main as program


def test_a_daemon_that_can_open_nothing_more_ends_with_a_sentence(tmp_path, monkeypatch, capsys):
    def serve(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/lib/thread.py")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "_serve", serve)

    code = program.main(["--state", str(tmp_path / "state"), "--flows", str(tmp_path)])

    assert code == 1
    assert capsys.readouterr().err == "tidemill: the daemon cannot go on: Too many open files (/lib/thread.py)\n"
