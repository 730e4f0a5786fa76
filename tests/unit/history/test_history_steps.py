"""The conditions that updates of states carry."""

from tidemill.domain.states import STEPS, State
from tidemill.history.steps import SOURCES, listed


def test_the_sources_are_the_steps_read_backwards():
    for now in State:
        for then in State:
            assert (now in SOURCES[then]) == (then in STEPS[now])


def test_no_step_leads_out_of_an_end():
    ends = {state for state in State if state.is_terminal}

    assert all(not ends & sources for sources in SOURCES.values())


def test_states_stand_in_the_text_in_a_fixed_order():
    assert listed({State.RUNNING, State.PENDING}) == "'pending', 'running'"
    assert listed(()) == "NULL"
