import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.conditions import NEED_SOMETHING, Condition, judge
from tidemill.domain.states import State

ENDS = [
    State.COMPLETED,
    State.CACHED,
    State.SKIPPED,
    State.FAILED,
    State.TIMED_OUT,
    State.UPSTREAM_FAILED,
    State.CRASHED,
    State.CANCELLED,
]
BEGINS = None
KINDS = {"ok": State.COMPLETED, "bad": State.FAILED, "skip": State.SKIPPED, "stop": State.CANCELLED}


def expected(condition, kinds):
    """The table of the module, said another way: over kinds, by cases."""
    ok, bad, skip, stop = (kinds.count(kind) for kind in ("ok", "bad", "skip", "stop"))
    denied = State.UPSTREAM_FAILED if bad else State.CANCELLED if stop else State.SKIPPED
    match condition:
        case "all_succeeded":
            return denied if bad + skip + stop else BEGINS
        case "any_succeeded":
            return BEGINS if ok else denied
        case "none_failed":
            return denied if bad + stop else BEGINS
        case "all_finished":
            return BEGINS
        case "any_failed":
            return BEGINS if bad else State.SKIPPED
        case "all_failed":
            return BEGINS if not ok + skip + stop else State.SKIPPED
        case "none_skipped":
            return State.SKIPPED if skip else BEGINS
    raise AssertionError(condition)


@given(st.sampled_from(list(Condition)), st.lists(st.sampled_from(list(KINDS)), max_size=6))
def test_a_condition_says_what_its_table_says(condition, kinds):
    assert judge(condition, [KINDS[kind] for kind in kinds]) == expected(condition, kinds)


@given(st.sampled_from(list(Condition)), st.lists(st.sampled_from(ENDS)), st.randoms())
def test_the_order_of_the_ends_decides_nothing(condition, states, random):
    shuffled = random.sample(states, len(states))

    assert judge(condition, states) is judge(condition, shuffled)


@pytest.mark.parametrize("end", [State.FAILED, State.TIMED_OUT, State.UPSTREAM_FAILED, State.CRASHED])
def test_every_kind_of_failure_is_one(end):
    assert judge(Condition.ALL_SUCCEEDED, [State.COMPLETED, end]) is State.UPSTREAM_FAILED
    assert judge(Condition.ANY_FAILED, [State.COMPLETED, end]) is BEGINS


def test_a_result_taken_from_before_is_a_success():
    assert judge(Condition.ALL_SUCCEEDED, [State.CACHED]) is BEGINS
    assert judge(Condition.ANY_FAILED, [State.CACHED]) is State.SKIPPED


@pytest.mark.parametrize("condition", list(Condition))
def test_only_the_conditions_that_need_something_are_lost_without_it(condition):
    begins = judge(condition, []) is BEGINS

    # Vacuously all of nothing failed; the graph refuses it, because nobody means that.
    assert begins is (condition not in NEED_SOMETHING) or condition is Condition.ALL_FAILED
