import datetime
import math
from collections import namedtuple
from enum import IntEnum, StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.results import ResultInfo
from tidemill.engine.encoding import UnstorableError, decode, encode, look, preview
from tidemill.engine.results import HistoryResult, LocalResult, ResultError, ResultPlace

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


class Text(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


Pair = namedtuple("Pair", "a b")


@given(VALUES)
def test_a_value_comes_back_as_it_was_types_included(value):
    encoding, data = encode(value)
    back = decode(encoding, data)

    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "a", [1, {"a": [None]}], {"a": 1}])
def test_what_is_json_is_kept_as_json(value):
    assert encode(value)[0] == "json"


@pytest.mark.parametrize(
    "value",
    [
        (1,),
        {1: 2},
        {1},
        b"x",
        2**70,
        math.inf,
        Text.A,
        Number.ONE,
        Pair(1, 2),
        datetime.date(2026, 1, 1),
        "\udcff",
        lambda: 1,
    ],
)
def test_what_json_would_change_is_pickled(value):
    assert encode(value)[0] == "cloudpickle"


def test_what_cannot_be_pickled_is_said_to_be_unstorable():
    with pytest.raises(UnstorableError, match="generator"):
        encode(n for n in range(3))


def test_a_list_that_holds_itself_is_not_followed_for_ever():
    endless: list[object] = []
    endless.append(endless)

    assert encode(endless)[0] == "cloudpickle"


def test_previews_are_short_and_survive_a_broken_repr():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert look(Broken()).startswith("<Broken")
    assert len(look(list(range(10_000)))) <= 1000
    assert len(look("x" * 10_000)) <= 1000
    encoding, data = encode("é" * 5000)
    assert len(preview("é" * 5000, encoding, data)) == 1000


@pytest.fixture
def place(tmp_path):
    return ResultPlace("my flow", "0123456789", "load/../rows", 3, tmp_path / "flows")


def test_a_local_result_is_written_below_the_flow_file_s_folder(place):
    handler = LocalResult(dir="./out")

    info = handler.write({"a": 1}, place)

    path = place.folder / "out" / "my_flow-0123456789-load_.._rows.json"
    assert (info.handler, info.location, info.encoding) == ("LocalResult", str(path), "json")
    assert handler.read(info) == {"a": 1}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_local_result_that_cannot_be_pickled_is_refused(place):
    with pytest.raises(ResultError, match="cannot be written to out"):
        LocalResult("out").write((n for n in ()), place)


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
