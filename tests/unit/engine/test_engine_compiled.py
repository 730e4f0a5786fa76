import errno
import os

from tidemill.engine.files.compiled import find_code, keep_code

CODE = compile("x = 1", "/flows/a.py", "exec")


def test_code_is_found_again_for_its_path_alone(tmp_path):
    kept = str(tmp_path / "text.py")

    keep_code(kept, CODE)

    assert find_code(kept, "/flows/a.py") == CODE
    assert find_code(kept, "/flows/b.py") is None


def test_a_disk_that_refuses_leaves_no_draft(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("write", "rename"):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, refuse)
            keep_code(str(tmp_path / "text.py"), CODE)
        assert list(tmp_path.iterdir()) == []


def test_half_a_text_is_none(tmp_path):
    kept = str(tmp_path / "text.py")
    keep_code(kept, CODE)
    place = tmp_path / "text.py.code"
    place.write_bytes(place.read_bytes()[:-5])

    assert find_code(kept, "/flows/a.py") is None
