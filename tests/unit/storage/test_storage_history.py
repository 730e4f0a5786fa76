import pytest

from tidemill.domain.results import ResultInfo
from tidemill.storage.history import HistoryResult
from tidemill.storage.places import ResultError


def test_the_history_keeps_small_results_and_sends_large_ones_to_files(tmp_path, place):
    handler = HistoryResult(tmp_path / "results", inline_limit=10)

    small, large, pickled = handler.write([1], place), handler.write("x" * 20, place), handler.write((1,), place)

    assert (small.handler, small.value, small.location, small.checksum) == ("history", "[1]", None, None)
    assert (large.handler, large.value) == ("file", None)
    assert [handler.read(info) for info in (small, large, pickled)] == [[1], "x" * 20, (1,)]


def test_a_run_and_those_it_calls_share_a_folder(tmp_path, place):
    handler = HistoryResult(tmp_path, inline_limit=10)

    infos = [handler.write(run * 20, place._replace(run=run)) for run in ("a", "b")]

    assert [handler.read(info) for info in infos] == ["a" * 20, "b" * 20]


def test_a_large_result_that_is_damaged_says_so(tmp_path, place):
    handler = HistoryResult(tmp_path, inline_limit=10)
    info = handler.write("x" * 20, place)
    (file,) = tmp_path.iterdir()
    file.write_text('"' + "y" * 20 + '"')

    with pytest.raises(ResultError, match=rf"the result at {file} is damaged"):
        handler.read(info)


def test_the_history_takes_a_form_that_the_author_chose(tmp_path, place):
    handler = HistoryResult(tmp_path).but(serializer="compressed/json")

    info = handler.write(["x"] * 100, place)

    assert (info.handler, info.encoding) == ("history", "compressed/json")
    assert handler.read(info) == HistoryResult(tmp_path).read(info) == ["x"] * 100


def test_what_has_no_stored_form_is_not_kept_unless_the_author_chose_one(tmp_path, place):
    handler = HistoryResult(tmp_path)
    value = (n for n in ())

    assert handler.write(value, place).handler == "none"
    with pytest.raises(ResultError, match="cannot be written to the history"):
        handler.but(serializer="pickle").write(value, place)


def test_a_result_that_is_gone_is_refused_with_its_place(tmp_path):
    info = ResultInfo("file", str(tmp_path / "gone.json"), 1, "", "json")

    with pytest.raises(ResultError, match=r"gone\.json"):
        HistoryResult(tmp_path).read(info)
    with pytest.raises(ResultError, match="not kept"):
        HistoryResult(tmp_path).read(ResultInfo("none", None, 0, "", "none"))
