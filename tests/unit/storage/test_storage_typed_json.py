import json
import sys
from collections import namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path, PurePosixPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.storage.encoding import UnstorableError, decode, encode_json

HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(UTC) | st.timezones())
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HASHABLE, inner, max_size=3) | st.tuples(inner),
    max_leaves=8,
)


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    HIGH = 3


Pair = namedtuple("Pair", "left right")


@dataclass
class Row:
    day: date
    tags: tuple[str, ...] = ()
    seen: set[int] = field(default_factory=set, init=False)

    def __post_init__(self):
        self.tags += ("made",)

    class Inner:
        @dataclass(frozen=True, slots=True)
        class Cell:
            value: int


def back(value):
    form, data = encode_json(value)
    json.loads(data)
    return form, decode(form, data)


@given(VALUES)
def test_what_json_does_not_know_comes_back_as_it_was(value):
    form, found = back(value)

    assert found == value
    assert repr(found) == repr(value) or "set(" in repr(value)
    assert form in ("json", "json/typed")


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        time(2, 30, fold=1),
        Decimal("1.10"),
        UUID(int=1),
        Path("/a/b"),
        PurePosixPath("a"),
        complex(1, -2),
        float("inf"),
        2**70,
        Colour.RED,
        Level.HIGH,
        Pair(1, (2, 3)),
        ({"__type__": "date", "data": "no"},),
        {1: {"__type__": 2}},
        Row.Inner.Cell(5),
    ],
)
def test_each_kind_comes_back_with_its_type(value):
    form, found = back(value)

    assert (form, type(found), found) == ("json/typed", type(value), value)
    assert repr(found) == repr(value)


def test_a_fold_is_not_lost():
    moment = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))

    assert back(moment)[1].utcoffset() == timedelta(hours=1)


def test_an_object_comes_back_as_it_was_and_not_as_it_would_be_made():
    row = Row(date(2026, 3, 1), ("a",))
    row.seen = {1, 2}

    _, found = back([row])

    assert found == [row]
    assert found[0].tags == ("a", "made")
    assert found[0].seen == {1, 2}


def test_pydantic_s_models_come_back(monkeypatch):
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):
        day: date
        rows: list[tuple[int, str]]

    Model.__qualname__ = "Model"
    monkeypatch.setattr(sys.modules[__name__], "Model", Model, raising=False)
    model = Model(day=date(2026, 3, 1), rows=[(1, "a")])

    assert back({"model": model})[1] == {"model": model}


def test_a_class_that_nobody_could_find_is_refused():
    @dataclass
    class Local:
        x: int

    with pytest.raises(UnstorableError, match=r"Local at \['row'\]; serializer='pickle'"):
        encode_json({"row": Local(1)})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere:Row", "Row of nowhere is not there any more"),
        (f"{__name__}:Gone", "Gone of .* is not there any more"),
        (f"{__name__}:HASHABLE", "is no class any more"),
        ("subprocess:Popen", "is no enum, dataclass"),
    ],
)
def test_a_class_that_is_gone_or_another_is_refused(name, said):
    data = json.dumps({"__type__": name, "data": {}}).encode()

    with pytest.raises(ValueError, match=said):
        decode("json/typed", data)
