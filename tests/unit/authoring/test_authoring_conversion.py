from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

import pytest

from tidemill.authoring.conversion import convert
from tidemill.authoring.signatures import MISSING, Parameter, read_signature
from tidemill.domain.errors import ParameterError


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int = 2


class Custom:
    pass


class Speaks(Protocol):
    def speak(self): ...


CUSTOM = Custom()


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (int, "3", 3),
        (int, 3, 3),
        (int, 3.0, 3),
        (float, "1.5", 1.5),
        (bool, "true", True),
        (bool, "0", False),
        (bool, "Yes", True),
        (bool, "off", False),
        (int, True, 1),
        (bytes, "abc", b"abc"),
        (date, datetime(2026, 11, 22, 8, 30), date(2026, 11, 22)),
        (time, "08:30", time(8, 30)),
        (str, "3", "3"),
        (str, 3, "3"),
        (str, True, "true"),
        (str | None, 3, "3"),
        (Path, 3, Path("3")),
        (int | None, "3", 3),
        (int | None, None, None),
        (datetime, "2026-11-22T08:30:00+00:00", datetime(2026, 11, 22, 8, 30, tzinfo=UTC)),
        (datetime, "2026-11-22", datetime(2026, 11, 22)),
        (date, "2026-11-22", date(2026, 11, 22)),
        (time, "08:30:00", time(8, 30)),
        (timedelta, "PT5M", timedelta(minutes=5)),
        (Path, "a/b", Path("a/b")),
        (list[Path], ["a"], [Path("a")]),
        (Decimal, "1.10", Decimal("1.10")),
        (UUID, "c4524ac0-e81e-4aa8-a595-0aec605a659a", UUID("c4524ac0-e81e-4aa8-a595-0aec605a659a")),
        (Colour, "red", Colour.RED),
        (Literal["a", "b"], "a", "a"),
        (Point, {"x": "1"}, Point(1, 2)),
        (Point, '{"x": 1}', Point(1, 2)),
        (Point, Point(1), Point(1)),
        (list[int], ["1", 2], [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (dict, {"a": 1}, {"a": 1}),
        (Custom, CUSTOM, CUSTOM),
        (Any, "3", "3"),
    ],
)
def test_values_become_the_type_that_is_asked_for(annotation, given, expected):
    found = convert(given, Parameter("p", annotation, str(annotation)), "flow f")

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        (int, "many"),
        (int, 1.5),
        (int, None),
        (bool, "perhaps"),
        (date, "yesterday"),
        (datetime, "yesterday"),
        (str, [3]),
        (Colour, "blue"),
        (Point, {"y": 1}),
        (Literal["a"], "b"),
        (list[int], "[1, x"),
        (Custom, "text"),
        (Path, [3]),
    ],
)
def test_values_of_the_wrong_type_are_refused_by_name(annotation, given):
    with pytest.raises(ParameterError, match="parameter 'p' of flow f must be T, and "):
        convert(given, Parameter("p", annotation, "T"), "flow f")


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        (Iterable[int], iter([1])),
        (Iterator[int], iter([1])),
        (Callable[[int], int], abs),
        (type[Custom], Custom),
        (Speaks, CUSTOM),
    ],
)
def test_a_value_that_only_its_use_can_judge_is_taken_as_it_is(annotation, given):
    assert convert(given, Parameter("p", annotation, "T"), "flow f") is given


def test_a_parameter_takes_its_own_default_whatever_its_type():
    assert convert(None, Parameter("p", list[int], "list[int]", None), "flow f") is None


def test_the_default_tells_the_type_where_no_annotation_does():
    assert convert("3", Parameter("p", default=10), "flow f") == 3
    assert convert("x", Parameter("p", default=10), "flow f") == "x"
    assert convert("3", Parameter("p", default="a"), "flow f") == "3"


def test_types_that_exist_only_for_type_checkers_cost_the_others_nothing():
    def f(a: "Missing", b: "int", c: "list[int]" = []): ...  # noqa: F821, B006

    a, b, c = read_signature(f).parameters

    assert (a.annotation, a.written) == (Any, "Missing")
    assert (b.annotation, c.annotation) == (int, list[int])


def test_plain_functions_are_read_like_all_others():
    def plain(a, b=2, *, c, d=4): ...

    def annotated(a: Any, b: Any = 2, *, c: Any, d: Any = 4): ...

    assert read_signature(plain).parameters == read_signature(annotated).parameters
    assert [p.default for p in read_signature(plain).parameters] == [MISSING, 2, MISSING, 4]
