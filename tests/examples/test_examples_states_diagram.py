"""The README's picture of the states must be the code's."""

import re
from pathlib import Path

from tidemill.domain.states import STEPS, State

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_diagram_has_every_step_between_passing_states():
    diagram = re.search(r"```mermaid\n(.*?)```", README, flags=re.DOTALL)
    assert diagram
    drawn = set(re.findall(r"(\w+) --> (\w+)", diagram[1]))
    passing = {(state.value, after.value) for state, steps in STEPS.items() for after in steps if not after.is_terminal}
    assert drawn - {("running", "completed")} == passing


def test_the_table_has_every_end():
    table = re.search(r"\| from \| may end as \|\n\|[-|]+\|\n((?:\|.*\n)+)", README)
    assert table
    rows = (row.strip("|").split("|") for row in table[1].splitlines())
    written = {State(name.strip()): {State(end.strip()) for end in ends.split(",")} for name, ends in rows}
    assert written == {
        state: {after for after in steps if after.is_terminal} for state, steps in STEPS.items() if steps
    }
