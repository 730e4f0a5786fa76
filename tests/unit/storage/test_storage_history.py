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
