"""The file of what a run takes over."""

import pytest

from tidemill.domain.errors import TidemillError
from tidemill.domain.results import ResultInfo
from tidemill.domain.runs import FinishedTask
from tidemill.journal.finished import take_finished, write_finished

TASKS = [
    FinishedTask(0, "load\n", ResultInfo("history", None, 1, "ü", "json", '"\n"', "f" * 64)),
    FinishedTask(3, "item", None, (1, 2), 7, (("inner", 1), ("deep", 2))),
]


def test_what_is_written_is_read_once(tmp_path):
    path = tmp_path / "run" / ".finished"
    write_finished(path, TASKS)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(take_finished(path)) == TASKS
    assert list(path.parent.iterdir()) == []


def test_one_that_is_not_there_or_damaged_is_told(tmp_path):
    path = tmp_path / ".finished"
    with pytest.raises(TidemillError, match="what earlier attempts finished cannot be read from"):
        list(take_finished(path))

    path.write_bytes(b'{"index": 0, "na')
    with pytest.raises(TidemillError, match="what earlier attempts finished cannot be read from"):
        list(take_finished(path))
