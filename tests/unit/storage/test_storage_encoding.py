import datetime
import math
from collections import namedtuple
from enum import IntEnum, StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.storage.encoding import UnstorableError, decode, encode
from tidemill.storage.previews import look, preview

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
