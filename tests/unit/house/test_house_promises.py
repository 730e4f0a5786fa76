"""Every promise of the design names tests that try to break it, and they exist."""

import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
PROMISES = (
    "Acknowledged is durable",
    "One moment, one row",
    "A task whose completion is recorded is never executed again",
    "Stopping, killing or upgrading the daemon does not disturb live runs",
    "A dead run is shown as crashed, with its signal or exit code, within 2 s",
    "A broken file breaks nothing",
    "User code cannot hurt the daemon",
    "Nobody else can command it",
)


@cache
def named() -> dict[str, list[str]]:
    """Return the tests that stand under each promise."""
    text = (TESTS / "chaos" / "RESULTS.md").read_text().partition("\n## Promises\n")[2].partition("\n## ")[0]
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if promise := re.fullmatch(r"\d\. \*(.+)\*", line):
            found[promise[1]] = []
        elif test := re.fullmatch(r"   - `(.+)`", line):
            found[list(found)[-1]].append(test[1])
    return found


def test_the_promises_are_those_of_the_design():
    assert tuple(named()) == PROMISES


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_names_tests_that_exist(promise):
    tests = named()[promise]
    assert len(set(tests)) == len(tests) >= 3
    for test in tests:
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (TESTS / file).read_text(), re.MULTILINE), f"there is no {test}"
