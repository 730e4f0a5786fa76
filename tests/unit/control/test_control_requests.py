import asyncio

import pytest

from tidemill.control.requests import Request
from tidemill.domain.errors import ProtocolError


def request(**args):
    async def tell(message):
        told.append(message)

    told = []
    made = Request("run", args, 0, tell)
    return made, told


@pytest.mark.parametrize(
    ("getter", "wrong"),
    [
        ("text", 3),
        ("text", None),
        ("text", ""),
        ("flag", "yes"),
        ("mapping", [1]),
        ("number", "3"),
        ("number", True),
        ("number", float("inf")),
        ("number", float("nan")),
        ("number", 2**63),
        ("number", -1e300),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_by_name(getter, wrong):
    made, _ = request(flow=wrong)

    with pytest.raises(ProtocolError, match="flow"):
        getattr(made, getter)("flow")


def test_half_a_character_is_no_text():
    made, _ = request(run="k3f\ud800")

    with pytest.raises(ProtocolError, match="UTF-8 can hold"):
        made.text("run")


def test_arguments_that_are_right_are_returned():
    made, _ = request(flow="etl", wait=True, parameters={"a": 1}, grace=2.5)

    assert made.text("flow") == "etl"
    assert made.flag("wait")
    assert made.mapping("parameters") == {"a": 1}
    assert made.number("grace") == 2.5


def test_arguments_that_are_not_given_have_a_plain_value():
    made, _ = request()

    assert made.optional_text("file") is None
    assert made.flag("wait") is False
    assert made.mapping("parameters") == {}
    assert made.number("grace") is None


def test_progress_is_told():
    made, told = request()

    asyncio.run(made.progress({"run": "k3f"}))

    assert told == [{"run": "k3f"}]
