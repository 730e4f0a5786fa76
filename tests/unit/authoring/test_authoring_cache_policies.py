import sys
import threading
from datetime import timedelta
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.authoring.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    NONE,
    RUN_ID,
    TASK_SOURCE,
    task_input_hash,
)
from tidemill.authoring.cache_policy import CacheKeyFnPolicy, CachePolicy, CompoundCachePolicy
from tidemill.authoring.caching import Caching, parse_caching
from tidemill.authoring.isolation import IsolationLevel
from tidemill.authoring.source_text import source_hash
from tidemill.authoring.tasks import Task, task
from tidemill.domain.errors import DefinitionError

NAMES = ("a", "b", "c")
POLICIES = st.recursive(
    st.sampled_from([INPUTS, TASK_SOURCE, RUN_ID, FLOW_PARAMETERS, NO_CACHE]),
    lambda inner: (
        st.builds(lambda one, other: one + other, inner, inner)
        | st.builds(lambda one, name: one - name, inner, st.sampled_from(NAMES))
    ),
    max_leaves=6,
)
INPUT_VALUES = st.fixed_dictionaries({name: st.integers(0, 2) for name in NAMES})


@task
def load(day):
    return day


@task
def store(day):
    return [day]


def context(of=load, run="r1"):
    return SimpleNamespace(task=of, flow_run_id=run, task_run_id="t1")


def key(policy, inputs=None, ctx=None, parameters=None):
    return policy.compute_key(ctx or context(), inputs or {}, parameters or {})


@settings(deadline=None)
@given(POLICIES, POLICIES, INPUT_VALUES)
def test_the_order_of_a_sum_is_irrelevant(one, other, inputs):
    parameters = {"p": 1}

    assert key(one + other, inputs, parameters=parameters) == key(other + one, inputs, parameters=parameters)


@settings(deadline=None)
@given(POLICIES, POLICIES, POLICIES, INPUT_VALUES)
def test_sums_may_be_bracketed_anyhow(one, two, three, inputs):
    assert key((one + two) + three, inputs) == key(one + (two + three), inputs)


@settings(deadline=None)
@given(POLICIES, INPUT_VALUES, st.sampled_from(NAMES))
def test_what_is_left_out_changes_nothing(policy, inputs, name):
    less = policy - name

    assert key(less, inputs) == key(less, {**inputs, name: 99})


@settings(deadline=None)
@given(POLICIES, INPUT_VALUES)
def test_adding_a_policy_twice_or_none_at_all_changes_nothing(policy, inputs):
    assert key(policy + policy, inputs) == key(policy + policy + policy, inputs)
    assert policy + NO_CACHE is policy
    assert NO_CACHE + policy is policy


@settings(deadline=None)
@given(INPUT_VALUES, INPUT_VALUES)
def test_inputs_tell_calls_apart_exactly_when_they_differ(one, other):
    assert (key(INPUTS, one) == key(INPUTS, dict(reversed(other.items())))) is (one == other)
    assert (key(DEFAULT, one) == key(DEFAULT, other)) is (one == other)


def test_each_policy_counts_what_it_says():
    assert key(INPUTS, {"x": 1}) == key(INPUTS, {"x": 1}, context(of=store, run="r2"))
    assert key(TASK_SOURCE) != key(TASK_SOURCE, ctx=context(of=store))
    assert key(TASK_SOURCE, {"x": 1}) == key(TASK_SOURCE, {"x": 2})
    assert key(RUN_ID) == "r1"
    assert key(RUN_ID, ctx=context(run=None)) == "t1"
    assert key(FLOW_PARAMETERS, parameters={"p": 1}) != key(FLOW_PARAMETERS, parameters={"p": 2})
    assert key(NO_CACHE, {"x": 1}) is None
    assert NONE is NO_CACHE


def test_nothing_to_go_by_is_no_key():
    assert key(INPUTS) is None
    assert key(FLOW_PARAMETERS) is None
    assert key(INPUTS + FLOW_PARAMETERS) is None
    assert key(INPUTS + RUN_ID) is not None


def test_prefect_s_default_is_the_same_call_in_the_same_run():
    assert key(DEFAULT, {"x": 1}) == key(INPUTS + TASK_SOURCE + RUN_ID, {"x": 1})
    assert key(DEFAULT, {"x": 1}) != key(DEFAULT, {"x": 1}, context(run="r2"))
    assert key(DEFAULT, {"x": 1}) != key(DEFAULT, {"x": 1}, context(of=store))


def test_an_input_without_a_hash_is_named_with_the_way_out():
    with pytest.raises(ValueError, match=r"argument 'conn' .*cannot pickle.*INPUTS - 'conn'"):
        key(INPUTS + TASK_SOURCE, {"conn": threading.Lock(), "x": 1})

    assert key(INPUTS - "conn", {"conn": threading.Lock(), "x": 1}) == key(INPUTS - "conn", {"conn": 2, "x": 1})


def test_a_function_is_asked_with_the_context_and_the_arguments():
    asked = CacheKeyFnPolicy(cache_key_fn=lambda ctx, arguments: f"{ctx.flow_run_id}-{arguments['x']}")

    assert key(asked, {"x": 7}) == "r1-7"
    assert key(CachePolicy.from_cache_key_fn(lambda *_: None)) is None
    with pytest.raises(ValueError, match="must be text"):
        key(CacheKeyFnPolicy(cache_key_fn=lambda *_: 3) + RUN_ID)


def test_a_policy_of_the_author_s_own_may_be_made_in_any_way():
    class Monthly(CachePolicy):
        def __init__(self, day):
            self.day = day

        def compute_key(self, task_ctx, inputs, flow_parameters, **kwargs):
            return self.day[:7]

    mine = Monthly("2026-11-22")

    assert key(mine) == "2026-11"
    assert key(mine + INPUTS, {"x": 1}) == key(INPUTS + Monthly("2026-11-01"), {"x": 1})
    assert key(mine + Monthly("2026-12-01")) != key(mine + Monthly("2026-11-01"))
    assert mine.configure(key_storage="there").day == "2026-11-22"
    with pytest.raises(NotImplementedError, match="compute_key"):
        key(CachePolicy())


def test_only_names_can_be_taken_away_and_only_policies_added():
    for policy in (INPUTS, TASK_SOURCE, DEFAULT):
        with pytest.raises(TypeError, match="as text"):
            policy - 3
        with pytest.raises(TypeError):
            policy + "debug"
    assert TASK_SOURCE - "debug" == TASK_SOURCE


def test_configuring_makes_another_policy_and_a_sum_takes_it_over():
    kept = INPUTS.configure(key_storage="/somewhere", isolation_level="SERIALIZABLE")
    both = TASK_SOURCE + kept

    assert INPUTS.key_storage is None
    assert both.isolation_level is IsolationLevel.SERIALIZABLE
    assert str(both.key_storage) == "/somewhere"
    assert key(both, {"x": 1}) == key(INPUTS + TASK_SOURCE, {"x": 1})
    with pytest.raises(ValueError, match="different key_storage"):
        kept + TASK_SOURCE.configure(key_storage="/elsewhere")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"key_storage": 3}, "must be a folder"),
        ({"lock_manager": object()}, "acquire_lock and release_lock"),
        ({"isolation_level": "SERIALISABLE"}, "did you mean 'SERIALIZABLE'"),
    ],
)
def test_what_cannot_be_configured_is_refused(wrong, sentence):
    with pytest.raises(DefinitionError, match=sentence):
        INPUTS.configure(**wrong)


def test_a_compound_flattens_what_it_is_given():
    made = CompoundCachePolicy(policies=[DEFAULT, INPUTS - "x"])

    assert key(made, {"x": 1, "y": 2}) == key(DEFAULT - "x", {"x": 5, "y": 2})


def test_task_input_hash_counts_the_task_and_its_arguments():
    assert task_input_hash(context(), {"x": 1}) == task_input_hash(context(run="r2"), {"x": 1})
    assert task_input_hash(context(), {"x": 1}) != task_input_hash(context(of=store), {"x": 1})
    assert task_input_hash(context(), {"x": 1}) != task_input_hash(context(), {"x": 2})


# What the options mean together


def test_no_word_about_caching_is_no_caching():
    assert parse_caching({}, "task f") is None
    assert parse_caching({"cache_policy": None, "cache_key_fn": None, "persist_result": None}, "task f") is None
    assert parse_caching({"cache_policy": NO_CACHE}, "task f") is None
    assert parse_caching({"persist_result": False}, "task f") is None
    assert parse_caching({"refresh_cache": False}, "task f") is None


def test_persist_result_alone_is_prefect_s_default_policy():
    assert parse_caching({"persist_result": True}, "task f") == Caching(DEFAULT)
    assert parse_caching({"persist_result": True, "cache_policy": NO_CACHE}, "task f") is None


def test_all_that_can_be_said():
    found = parse_caching(
        {"cache_policy": INPUTS, "cache_expiration": timedelta(minutes=2), "refresh_cache": True}, "task f"
    )

    assert found == Caching(INPUTS, 120.0, True)


def test_contradictions_are_told_in_the_log_and_not_refused():
    both = parse_caching({"cache_policy": INPUTS, "cache_key_fn": task_input_hash}, "task f")
    unkept = parse_caching({"cache_policy": INPUTS, "persist_result": False}, "task f")
    aimless = parse_caching({"cache_expiration": 5}, "task f")

    assert both.policy == CacheKeyFnPolicy(cache_key_fn=task_input_hash)
    assert "cache_key_fn is taken" in both.notices[0]
    assert unkept.policy is NO_CACHE
    assert "persist_result=False" in unkept.notices[0]
    assert "cache_expiration" in aimless.notices[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cache_policy": "inputs"}, "cache_policy of task f must be a policy"),
        ({"cache_key_fn": "x"}, "cache_key_fn of task f must be a function"),
        ({"cache_policy": INPUTS, "cache_expiration": "1h"}, "cache_expiration of task f must be a number"),
        ({"cache_policy": INPUTS, "cache_expiration": 0}, "longer than nothing"),
        ({"cache_policy": INPUTS, "refresh_cache": 1}, "refresh_cache of task f must be true or false"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, sentence):
    with pytest.raises(DefinitionError, match=sentence):
        parse_caching(options, "task f")


# The source of a task

FIRST = """
from tidemill import Task, task

@task
def load(x):
    return x + 1

class Store(Task):
    def run(self, x):
        return x
"""


def loaded(text, name, tmp_path, monkeypatch):
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    module = ModuleType(name)
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def test_the_source_is_the_task_s_own_text(tmp_path, monkeypatch):
    before = loaded(FIRST, "first", tmp_path, monkeypatch)
    moved = loaded("# a comment\n\n" + FIRST.replace("class", "\n\n# another\nclass"), "moved", tmp_path, monkeypatch)
    changed = loaded(
        FIRST.replace("x + 1", "x + 2").replace("return x\n", "return x * 2\n"), "changed", tmp_path, monkeypatch
    )

    assert source_hash(before.load) == source_hash(moved.load) != source_hash(changed.load)
    assert source_hash(before.Store()) == source_hash(moved.Store()) != source_hash(changed.Store())
    assert source_hash(before.load) == source_hash(before.load.bind(x=1))


def test_without_a_text_the_compiled_code_is_the_source():
    def made(body):
        scope: dict = {}
        exec(compile(f"def f(x):\n    return {body}", "<nowhere>", "exec"), scope)
        return task(scope["f"])

    def made_class(body):
        scope: dict = {"Task": Task}
        exec(compile(f"class F(Task):\n  def run(self, x):\n    return {body}", "<nowhere>", "exec"), scope)
        return scope["F"]()

    assert source_hash(made("x + 1")) == source_hash(made("x  +  1")) != source_hash(made("x + 2"))
    assert source_hash(made_class("x + 1")) == source_hash(made_class("x  +  1")) != source_hash(made_class("x + 2"))


def test_a_callable_object_counts_by_its_class():
    class Adder:
        def __call__(self, x):
            return x

    assert source_hash(Task(Adder())) == source_hash(Task(Adder())) != source_hash(load)
