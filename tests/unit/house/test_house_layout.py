"""The folder called ``daemon`` lets python-daemon be found beside it, and each room says what it is for."""

import ast
import importlib
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "daemon" / "tidemill"


def test_the_source_root_is_no_package():
    assert not (ROOT / "daemon" / "__init__.py").exists()
    assert hasattr(importlib.import_module("daemon"), "DaemonContext")


def test_the_wheel_holds_the_package_at_its_root():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert build["packages"] == ["daemon/tidemill"]
    assert all(target.startswith("tidemill/") for target in build["force-include"].values())


def test_every_room_says_what_it_is_for():
    rooms = [place.parent for place in PACKAGE.glob("*/__init__.py")]

    assert len(rooms) > 13
    for room in rooms:
        assert ast.get_docstring(ast.parse((room / "__init__.py").read_text())), room


def test_every_room_has_its_floor():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    placed = {room.strip() for floor in floors for room in floor.split("|")}
    doors = {place.stem for place in PACKAGE.glob("*.py")} - {"__init__"}

    assert placed == {place.parent.name for place in PACKAGE.glob("*/__init__.py")} | doors
