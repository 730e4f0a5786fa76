import os
import stat
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.limits import LONGEST_NAME, Limit
from tidemill.limits.table import Table, file_name, write_table

NAMES = st.text(min_size=1).filter(lambda name: _encodes(name) and len(name.encode()) <= LONGEST_NAME)


def _encodes(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


@given(NAMES)
def test_every_name_is_safe_as_a_files(name):
    file = f"{file_name(name)}.slots"

    assert Path("folder", file).parent == Path("folder")
    assert file.isascii()
    assert len(file) <= 255


@given(NAMES, NAMES)
def test_no_two_names_share_a_file(one, other):
    assert (file_name(one) == file_name(other)) == (one == other)


def test_what_was_written_is_read_whatever_the_names(tmp_path):
    limits = {"database": Limit(2), "a/b ../ü%": Limit(10_000), "..": Limit(1, 0.25), "api": Limit(10, 1e-7)}
    write_table(tmp_path / "limits", limits)

    assert Table(tmp_path / "limits").limits() == limits


def test_without_a_table_there_are_no_limits(tmp_path):
    assert Table(tmp_path / "nowhere").limits() == {}


def test_a_spoilt_table_changes_nothing(tmp_path):
    write_table(tmp_path, {"database": Limit(2)})
    table = Table(tmp_path)
    assert table.limits() == {"database": Limit(2)}

    (tmp_path / "table").write_bytes(b"torn \xff")

    assert table.limits() == {"database": Limit(2)}


def test_a_change_is_seen_at_the_next_look(tmp_path):
    write_table(tmp_path, {"database": Limit(2)})
    table = Table(tmp_path)
    assert table.limits() == {"database": Limit(2)}

    write_table(tmp_path, {"database": Limit(3)})

    assert table.limits() == {"database": Limit(3)}


def test_nobody_else_may_look(tmp_path):
    old = os.umask(0)
    try:
        write_table(tmp_path / "limits", {"database": Limit(2)})
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "limits").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "limits" / "table").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "limits").iterdir()] == ["table"]
