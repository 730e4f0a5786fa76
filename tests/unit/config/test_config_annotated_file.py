"""The shipped file is the documentation of every setting; it must say what the code says."""

import re
import tomllib
from pathlib import Path

import pytest

from tidemill.config.limits import convert_limit
from tidemill.config.settings import Settings
from tidemill.domain.limits import Limit

SHIPPED = Path(__file__).parents[3] / "config" / "tidemill.toml"
DEFAULTS = [
    (section, key, getattr(getattr(Settings(), section), key))
    for section in Settings._fields
    if section != "limits"  # whose keys are the operator's own
    for key in getattr(Settings(), section)._fields
]


def sections() -> dict[str, str]:
    parts = re.split(r"^\[(\w+)\]$", SHIPPED.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_as_shipped_it_changes_nothing():
    assert not any(tomllib.loads(SHIPPED.read_text(encoding="utf-8")).values())


@pytest.mark.parametrize(("section", "key", "default"), DEFAULTS)
def test_every_setting_stands_there_with_its_default_and_a_reason(section, key, default):
    found = re.search(rf"((?:^# .+\n)+)^#{key} =(.*)$", sections()[section], flags=re.MULTILINE)
    assert found, f"[{section}] lacks a comment and a line for {key}"
    written = found[2].strip()
    if default is None:
        assert written == ""
    elif isinstance(default, Path):
        assert tomllib.loads(f"it = {written}")["it"] == str(default)
    else:
        value = tomllib.loads(f"it = {written}")["it"]
        assert type(default)(value) == default
    assert len(found[1].split()) > 6


def test_it_has_no_setting_that_does_not_exist():
    written = {(name, key) for name, text in sections().items() for key in re.findall(r"^#(\w+) =", text, re.MULTILINE)}
    assert {(name, key) for name, key in written if name != "limits"} == {(name, key) for name, key, _ in DEFAULTS}


def test_its_limits_are_examples_that_work():
    examples = re.findall(r"((?:^# .+\n)+)^#(\w+ = .+)$", sections()["limits"], flags=re.MULTILINE)
    written = tomllib.loads("\n".join(line for _, line in examples))

    assert {name: convert_limit(name, value) for name, value in written.items()} == {
        "database": Limit(2),
        "api": Limit(10, 2.0),
    }
    assert all(len(reason.split()) > 6 for reason, _ in examples)
