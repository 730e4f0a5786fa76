"""Whatever happens to a folder, in whatever rhythm: once it is quiet, the catalog says what is there."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unit.catalog.conftest import Desk

NAMES = ("a.py", "b.py", "team/c.py", "_lib.py", "helpers.py")
FLOWS = ("one", "two", "three")
LINES = (*(f"flow {name}" for name in FLOWS), "import _lib", "import helpers", "broken")

writes = st.tuples(st.just("write"), st.sampled_from(NAMES), st.lists(st.sampled_from(LINES), max_size=3))
removals = st.tuples(st.just("remove"), st.sampled_from(NAMES))
moves = st.tuples(st.just("move"), st.sampled_from(NAMES), st.sampled_from(NAMES))
turns = st.tuples(st.just("turn"), st.sampled_from((0.0, 0.03, 0.12, 0.6)))
holds = st.tuples(st.just("answers"), st.booleans())
restarts = st.tuples(st.just("restart"))


def carry_out(desk: Desk, step: tuple) -> None:
    match step:
        case ("write", name, lines):
            desk.write(name, *lines)
        case ("remove", name):
            (desk.folder / name).unlink(missing_ok=True)
        case ("move", name, other) if (desk.folder / name).exists():
            (desk.folder / other).parent.mkdir(exist_ok=True)
            (desk.folder / name).rename(desk.folder / other)
        case ("turn", seconds):
            desk.turn(seconds)
        case ("answers", answers):
            desk.answers = answers
        case ("restart",):
            desk.changes.clear()
            desk.open()


def declared(folder: Path, path: Path) -> set[str] | None:
    """Return the flows a file declares, or None when it is broken."""
    lines = path.read_text().splitlines()
    for line in lines:
        match line.split():
            case ["#", "broken"]:
                return None
            case ["#", "import", module]:
                helper = folder / f"{module}.py"
                if not helper.exists() or "# broken" in helper.read_text():
                    return None
    return {line.split()[2] for line in lines if line.startswith("# flow")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.one_of(writes, writes, removals, moves, turns, turns, holds, restarts), max_size=25))
def test_the_catalog_converges(tmp_path_factory, steps):
    desk = Desk(tmp_path_factory.mktemp("desk"))
    for step in steps:
        carry_out(desk, step)

    desk.answers = True
    for _ in range(400):
        desk.turn(0.3)
        if desk.register.is_quiet:
            break
    desk.settle(10)

    assert desk.register.is_quiet
    assert desk.register.is_ready
    told = {path: file for change in desk.changes for file in change.changed for path in [Path(file.path)]}
    there = {path for path in desk.folder.rglob("*.py") if not path.name.startswith("_")}
    held = desk.flows()
    for path in there:
        names = declared(desk.folder, path)
        file = told[path]
        assert bool(file.manifest.errors) == (names is None), path
        if names is not None:
            assert {flow.name for flow in file.good.manifest.flows} == names
            assert all(name in held for name in names)
            for source, digest in file.good.sources.items():
                assert desk.sources.path(digest).read_bytes() == Path(source).read_bytes()
    assert set(held.values()) <= {path.name for path in there}
