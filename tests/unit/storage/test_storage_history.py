import errno
from pathlib import Path

import pytest

from tidemill.domain.results import ResultInfo
from tidemill.storage.history import HistoryResult
from tidemill.storage.places import ResultError


def test_the_history_keeps_small_results_and_sends_large_ones_to_files(tmp_path, place):
    handler = HistoryResult(tmp_path / "results", inline_limit=10)

    small, large, pickled = handler.write([1], place), handler.write("x" * 20, place), handler.write((1,), place)

    assert (small.handler, small.value, small.location) == ("history", "[1]", None)
    assert (large.handler, large.value) == ("file", None)
    assert [handler.read(info) for info in (small, large, pickled)] == [[1], "x" * 20, (1,)]


def test_a_result_that_is_gone_is_refused_with_its_place(tmp_path):
    info = ResultInfo("file", str(tmp_path / "gone.json"), 1, "", "json")

    with pytest.raises(ResultError, match=r"gone\.json"):
        HistoryResult(tmp_path).read(info)
    with pytest.raises(ResultError, match="not kept"):
        HistoryResult(tmp_path).read(ResultInfo("none", None, 0, "", "none"))


def test_a_file_kept_elsewhere_gets_one_more_name_that_outlives_the_other(tmp_path, place):
    theirs, ours = HistoryResult(tmp_path / "theirs", inline_limit=10), HistoryResult(tmp_path / "ours")
    small, large = theirs.write([1], place), theirs.write("x" * 20, place)

    adopted = ours.adopt(large, place)
    again = ours.adopt(adopted, place)
    Path(large.location).unlink()

    assert ours.adopt(small, place) == small
    assert again == adopted
    assert adopted.location.startswith(str(tmp_path / "ours"))
    assert ours.read(adopted) == "x" * 20
    assert [path.name for path in (tmp_path / "ours").iterdir()] == [Path(adopted.location).name]
    with pytest.raises(ResultError, match="cannot be kept"):
        ours.adopt(large, place._replace(run="other"))


def test_a_file_on_another_file_system_is_copied(tmp_path, place, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    large = HistoryResult(tmp_path / "theirs", inline_limit=10).write("x" * 20, place)
    adopted = HistoryResult(tmp_path / "ours").adopt(large, place)

    assert HistoryResult(tmp_path).read(adopted) == "x" * 20
