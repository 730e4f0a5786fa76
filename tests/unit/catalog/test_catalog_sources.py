import hashlib

import pytest

from tidemill.catalog.sources import SourceStore

DATA = b"x = 1\n"
DIGEST = hashlib.sha256(DATA).hexdigest()


def store(folder):
    return SourceStore(lambda digest: folder / digest[:2] / f"{digest}.py")


def test_a_text_is_kept_once_and_private(tmp_path):
    path = store(tmp_path).keep(DATA, DIGEST)
    inode = path.stat().st_ino

    assert store(tmp_path).keep(DATA, DIGEST).stat().st_ino == inode
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("damage", [b"", b"x = 2\n"])
def test_a_damaged_text_is_not_held_and_is_kept_anew(tmp_path, damage):
    path = store(tmp_path).keep(DATA, DIGEST)
    path.write_bytes(damage)

    later = store(tmp_path)

    assert not later.holds(DIGEST)
    assert later.keep(DATA, DIGEST).read_bytes() == DATA


def test_a_text_that_was_removed_meanwhile_is_kept_anew(tmp_path):
    sources = store(tmp_path)
    sources.keep(DATA, DIGEST).unlink()
    assert not sources.holds(DIGEST)
    assert sources.keep(DATA, DIGEST).read_bytes() == DATA
