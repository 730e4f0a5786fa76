"""Parameters whose types are pydantic's, for authors who have it."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Literal

import pytest

from tidemill import flow, task
from tidemill.authoring.conversion import convert
from tidemill.authoring.signatures import Parameter
from tidemill.domain.errors import ParameterError

pydantic = pytest.importorskip("pydantic")
Field = pydantic.Field


class Colour(Enum):
    RED = "red"


class Row(pydantic.BaseModel):
    amount: int = Field(gt=0)
    note: str | None = None


class Order(pydantic.BaseModel):
    rows: list[Row]
    day: date
    colour: Colour = Colour.RED


@dataclass
class Batch:
    orders: list[Order]


ROW = Row(amount=1)
ORDER = {"rows": [{"amount": "1"}], "day": "2026-11-22"}


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (Row, {"amount": "1"}, ROW),
        (Row, '{"amount": 1}', ROW),
        (Row, ROW, ROW),
        (Row | None, None, None),
        (list[Row], [{"amount": 1}, ROW], [ROW, ROW]),
        (dict[str, Row], {"a": {"amount": 1}}, {"a": ROW}),
        (Order, ORDER, Order(rows=[ROW], day=date(2026, 11, 22))),
        (Batch, {"orders": [ORDER]}, Batch([Order(rows=[ROW], day=date(2026, 11, 22))])),
        (Annotated[int, Field(gt=0)], "5", 5),
        (pydantic.HttpUrl, "http://example.org", pydantic.HttpUrl("http://example.org/")),
        (pydantic.SecretStr, "hidden", pydantic.SecretStr("hidden")),
        (Row | Literal["none"], "none", "none"),
    ],
)
def test_models_and_what_is_made_of_them_are_checked_by_pydantic(annotation, given, expected):
    assert convert(given, Parameter("p", annotation, "T"), "flow f") == expected


@pytest.mark.parametrize(
    ("annotation", "given", "says"),
    [
        (Row, {"note": "no amount"}, "amount: Field required"),
        (Order, {"rows": [{"amount": 0}], "day": "today"}, r"rows\.0\.amount: Input should be greater than 0 \(and 1"),
        (Annotated[int, Field(gt=0)], -5, "greater than 0"),
        (pydantic.HttpUrl, "nowhere", "valid URL"),
    ],
)
def test_what_a_model_does_not_take_is_refused_with_its_place(annotation, given, says):
    with pytest.raises(ParameterError, match=f"parameter 'p' of flow f must be T, and .* is not: .*{says}"):
        convert(given, Parameter("p", annotation, "T"), "flow f")


def test_defaults_become_what_is_asked_for_as_well():
    @flow
    def etl(
        row: Row = {"amount": 3},  # type: ignore[assignment] # noqa: B006 - as authors write it
        count: int = "7",
        later: list | None = None,
        mark: int = "auto",
        named: int = Field(default=4, description="a number"),
        colour: Colour = "red",
    ):
        return row, count, later, mark, named, colour

    assert etl() == (Row(amount=3), 7, None, "auto", 4, Colour.RED)
    assert etl.with_options(validate_parameters=False)() == ({"amount": 3}, "7", None, "auto", 4, "red")


def test_a_field_without_a_default_is_to_be_given():
    @flow
    def etl(count: int = Field(..., description="how many")):
        return count

    assert etl(count="3") == 3
    with pytest.raises(ParameterError, match="needs the parameter count"):
        etl()


def test_a_model_reaches_tasks_and_sub_flows_as_it_is():
    @task
    def same(row):
        return row

    @flow
    def child(row: Row):
        return same.submit(row).result()

    @flow
    def outer(order: Order):
        return child(order.rows[0]) is order.rows[0], child({"amount": 2}).amount

    assert outer(ORDER) == (True, 2)
