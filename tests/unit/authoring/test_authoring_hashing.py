import collections
import dataclasses
import datetime
import enum
import functools
import pathlib
import random
import sqlite3
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.authoring.hashing import UnhashableError, hash_value

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals(allow_nan=False)
KEYS = st.text() | st.integers() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.sets(st.integers() | st.text())
        | st.frozensets(st.text())
    ),
    max_leaves=20,
)


@dataclasses.dataclass
class Point:
    x: int
    seen: set[str]


class Colour(enum.Enum):
    RED = 1
    ROT = 2


def rebuilt(value):
    """Return an equal value, no part of which is the same object, dicts and sets in another order."""
    kind = type(value)
    if kind in (list, tuple):
        return kind(rebuilt(each) for each in value)
    if kind is dict:
        return {rebuilt(key): rebuilt(each) for key, each in reversed(value.items())}
    if kind in (set, frozenset):
        items = list(value)
        random.Random(1).shuffle(items)
        return kind(items)
    return value.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass") if kind is str else value


@settings(deadline=None)
@given(VALUES)
def test_equal_values_have_equal_hashes(value):
    assert hash_value(rebuilt(value)) == hash_value(value)


@settings(deadline=None)
@given(st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).filter(lambda v: v == v))
def test_a_change_anywhere_changes_the_hash(value):
    assert hash_value([value, 1]) != hash_value([value, 2])
    assert hash_value({"a": value}) != hash_value({"b": value})
    assert hash_value([value]) != hash_value(value)


def test_types_are_told_apart():
    alike = [1, 1.0, True, "1", b"1", [1], (1,), {1}, frozenset({1}), {1: None}, bytearray(b"1"), 10**5000, [10**5000]]

    assert len({hash_value(each) for each in alike}) == len(alike)


def test_the_borders_of_parts_count():
    assert hash_value([["a"], ["b", "c"]]) != hash_value([["a", "b"], ["c"]])
    assert hash_value(["ab", "c"]) != hash_value(["a", "bc"])


def test_objects_count_by_their_type_and_state():
    assert hash_value(Point(1, {"a", "b"})) == hash_value(Point(1, {"b", "a"}))
    assert hash_value(Point(1, {"a"})) != hash_value(Point(2, {"a"}))
    assert hash_value(Colour.RED) != hash_value(Colour.ROT)
    assert hash_value(datetime.date(2026, 1, 1)) == hash_value(datetime.date(2026, 1, 1))
    assert hash_value(pathlib.Path("a")) != hash_value(pathlib.Path("b"))
    assert hash_value(collections.OrderedDict(a=1, b=2)) != hash_value(collections.OrderedDict(b=2, a=1))
    assert hash_value(collections.Counter(a=1, b=2)) == hash_value(collections.Counter(b=2, a=1))


def test_a_function_counts_by_what_it_does():
    def add(step):
        return lambda x: x + step

    assert hash_value(add(1)) == hash_value(add(1))
    assert hash_value(add(1)) != hash_value(add(2))
    assert hash_value(lambda x: x + 1) != hash_value(lambda x: x - 1)
    assert hash_value(functools.partial(print, 1)) != hash_value(functools.partial(print, 2))


def test_a_value_may_hold_itself():
    one: list = [1]
    one.append(one)
    other: list = [1]
    other.append(other)

    assert hash_value(one) == hash_value(other) != hash_value([1, [1]])


def test_a_part_used_often_is_looked_at_once():
    value: list = []
    for _ in range(200):
        value = [value, value, object()]

    assert hash_value(value)


@pytest.mark.parametrize("thing", [threading.Lock(), sqlite3.connect(":memory:"), (each for each in ())])
def test_what_cannot_be_pickled_has_no_hash(thing):
    with pytest.raises(UnhashableError, match=type(thing).__name__):
        hash_value({"deep": [thing]})


def test_what_fails_to_be_looked_at_has_no_hash():
    class Sulky:
        def __reduce_ex__(self, _):
            raise ZeroDivisionError("not today")

    class Deep(list):
        pass

    deep: list = Deep()
    for _ in range(10_000):
        deep = Deep([deep])

    with pytest.raises(UnhashableError, match="Sulky: not today"):
        hash_value(Sulky())
    with pytest.raises(UnhashableError, match="nested too deeply"):
        hash_value(deep)


def test_a_hash_is_the_same_in_every_process():
    code = (
        "import datetime, pathlib\n"
        "from tidemill.authoring.hashing import hash_value\n"
        "words = {'alpha', 'beta', 'gamma', 'delta'}\n"
        "day = datetime.datetime(2026, 1, 1)\n"
        "print(hash_value([words, frozenset(words), {w: 1 for w in words}, pathlib.Path('a'), day]))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(told) == 1


def test_pydantic_models_count_by_what_they_say_of_themselves():
    pydantic = pytest.importorskip("pydantic")

    class Order(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        name: str
        lock: object

        @pydantic.model_serializer
        def say(self):
            return {"name": self.name}

    assert hash_value(Order(name="a", lock=threading.Lock())) == hash_value(Order(name="a", lock=1))
    assert hash_value(Order(name="a", lock=1)) != hash_value(Order(name="b", lock=1))


def test_arrays_count_by_what_they_hold():
    numpy = pytest.importorskip("numpy")
    numbers = numpy.arange(10)

    assert hash_value(numbers[::2]) == hash_value(numbers[::2].copy())
    assert hash_value(numpy.asfortranarray(numpy.ones((2, 3)))) == hash_value(numpy.ones((2, 3)))
    assert hash_value(numpy.ones((2, 3))) != hash_value(numpy.ones((3, 2)))
    assert hash_value(numbers) != hash_value(numbers.astype("int32"))
    assert hash_value(numpy.array(["a", None])) == hash_value(numpy.array(["a", None]))
    assert hash_value(numpy.array("2026-01-01", "M8[s]")) != hash_value(numpy.array("2026-01-02", "M8[s]"))


def test_frames_count_by_what_they_hold():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": [3, 4], "c": ["x", None]})
    grown = pandas.DataFrame({"a": [1, 2]})
    grown["b"], grown["c"] = [3, 4], ["x", None]

    assert hash_value(frame) == hash_value(grown)
    assert hash_value(frame) != hash_value(frame[["b", "a", "c"]])
    assert hash_value(frame) != hash_value(frame.set_index("c"))
    assert hash_value(frame["a"]) != hash_value(frame["b"])
