"""Transactions in plain Python: what is committed and what is undone, in which order."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from tidemill import LocalResult, flow, task
from tidemill.cache_policies import TASK_SOURCE
from tidemill.domain.errors import DefinitionError, TidemillError
from tidemill.engine.caching.cache_stores import _memory
from tidemill.transactions import (
    CommitMode,
    IsolationLevel,
    TransactionState,
    atransaction,
    get_transaction,
    transaction,
)


@pytest.fixture
def told():
    return []


@pytest.fixture(autouse=True)
def _forget():
    _memory.clear()


@pytest.fixture
def step(told):
    """Make a task that tells when it is executed, committed and rolled back."""

    def make(name, body=lambda: None, **options):
        def code(*args):
            told.append(name)
            return body(*args)

        made = task(code, name=name, **options)
        made.on_commit(lambda txn: told.append(f"commit {name}"))
        made.on_rollback(lambda txn: told.append(f"undo {name}"))
        return made

    return make


@contextmanager
def failing(kind, **options):
    """Open a transaction whose block raises *kind*."""
    with pytest.raises(kind), transaction(**options) as txn:
        yield txn


def fail():
    raise ValueError("not enough data")


def in_turn(*bodies):
    """Return code that does something else each time."""
    turns = iter(bodies)

    def body():
        return next(turns)()

    return body


def run(body):
    """Call *body* inside a flow."""

    @flow
    def etl():
        return body()

    return etl.run()


def test_all_tasks_of_a_block_are_committed_at_its_end(step, told):
    a, b = step("a"), step("b")

    def etl():
        with transaction() as txn:
            a()
            b()
            assert txn.is_active()
            told.append("end of block")
        assert txn.is_committed()

    assert run(etl).is_completed
    assert told == ["a", "b", "end of block", "commit a", "commit b"]


def test_when_the_block_raises_what_completed_is_undone_the_latest_first(step, told):
    a, b, bad, c = step("a"), step("b"), step("bad", fail), step("c")

    def etl():
        with transaction() as txn:
            a()
            b()
            try:
                bad()
            finally:
                assert not txn.is_rolled_back()
            c()

    done = run(etl)

    assert isinstance(done.exception, ValueError)
    assert told == ["a", "b", "bad", "undo b", "undo a"]
    assert {name: str(each.state) for name, each in done.tasks.items()} == {
        "a": "cancelled",
        "b": "cancelled",
        "bad": "failed",
    }
    assert done.tasks["a"].error.type == "RolledBack"
    assert "ValueError: not enough data" in done.tasks["a"].error.message


def test_code_of_the_block_itself_may_fail(step, told):
    a = step("a")

    def etl():
        with transaction():
            a()
            raise KeyError("x")

    assert isinstance(run(etl).exception, KeyError)
    assert told == ["a", "undo a"]


def test_a_failure_that_is_caught_inside_undoes_all_the_same(step, told):
    a, bad, c = step("a"), step("bad", fail), step("c")

    def etl():
        with transaction() as txn:
            a()
            assert bad(return_state=True).is_failed()
            c()
        return txn.is_rolled_back()

    done = run(etl)

    assert done.value is True
    assert told == ["a", "bad", "c", "undo c", "undo a"]


def test_a_failure_that_a_retry_mends_undoes_nothing(step, told):
    a, shaky = step("a"), step("shaky", in_turn(fail, lambda: 1), retries=1)

    def etl():
        with transaction():
            a()
            return shaky()

    assert run(etl).value == 1
    assert told == ["a", "shaky", "shaky", "commit a", "commit shaky"]


def test_submitted_and_mapped_tasks_count_with_the_others(step, told):
    a = step("a")

    @task
    def b(x):
        told.append("b")

    b.on_commit(lambda txn: told.append("commit b"))

    def etl():
        with transaction():
            a.submit()
            b.map([1, 2, 3])
        told.append("after")

    assert run(etl).is_completed
    assert sorted(told) == sorted(["a", "b", "b", "b", "commit a", *["commit b"] * 3, "after"])
    assert told[-1] == "after"


def test_a_submitted_task_that_fails_undoes_the_others_and_fails_the_run(step, told):
    a, bad = step("a"), step("bad", fail)

    def etl():
        with transaction():
            a.submit()
            bad.submit()

    done = run(etl)

    assert isinstance(done.exception, ValueError)
    assert told[2:] == ["undo a"]


def test_what_a_transaction_undid_is_no_failure_of_its_own(step, told):
    a, bad = step("a"), step("bad", fail)

    def etl():
        with failing(ValueError):
            a.submit().wait()
            a.submit()
            bad()

    assert run(etl).is_completed
    assert told.count("undo a") == 2


def test_a_task_outside_of_every_block_is_committed_at_its_own_end(step, told):
    a, b, bad = step("a"), step("b"), step("bad", fail)

    def etl():
        a()
        b()
        bad()

    run(etl)
    assert told == ["a", "commit a", "b", "commit b", "bad"]
    told.clear()
    a()
    assert told == ["a", "commit a"]


def test_inner_blocks_wait_for_the_outermost(step, told):
    a, b, c = step("a"), step("b"), step("c")

    def etl():
        with transaction():
            a()
            with transaction() as inner:
                b()
            told.append("inner left")
            assert not inner.is_committed()
            c()

    run(etl)
    assert told == ["a", "b", "inner left", "c", "commit a", "commit b", "commit c"]


def test_an_inner_block_that_fails_undoes_the_outer_one(step, told):
    a, b, c = step("a"), step("b"), step("c")

    def etl():
        with transaction() as outer:
            a()
            with failing(KeyError):
                b()
                raise KeyError("x")
            told.append("inner left")
            c()
        assert outer.is_rolled_back()

    assert run(etl).is_completed
    assert told == ["a", "b", "undo b", "inner left", "c", "undo c", "undo a"]


def test_an_outer_failure_undoes_an_inner_block_that_was_left_well(step, told):
    a, b = step("a"), step("b")

    def etl():
        with transaction():
            a()
            with transaction():
                b()
            raise KeyError("x")

    run(etl)
    assert told == ["a", "b", "undo b", "undo a"]


def test_eager_commits_each_task_at_its_own_end_for_good(step, told):
    a, b = step("a"), step("b")

    def etl():
        with transaction(commit_mode=CommitMode.EAGER):
            a()
            b()
            raise KeyError("x")

    run(etl)
    assert told == ["a", "commit a", "b", "commit b"]


def test_an_eager_block_inside_a_lazy_one_is_committed_at_its_end(step, told):
    a, b = step("a"), step("b")

    def etl():
        with transaction():
            a()
            with transaction(commit_mode="EAGER"):
                b()
            raise KeyError("x")

    run(etl)
    assert told == ["a", "b", "commit b", "undo a"]


def test_off_undoes_unless_told_to_commit(step, told):
    a = step("a")

    def etl(committed):
        with transaction(commit_mode=CommitMode.OFF) as txn:
            a()
            if committed:
                txn.commit()
        return str(txn.state)

    assert flow(etl)(False) == "ROLLED_BACK"
    assert told == ["a", "undo a"]
    told.clear()
    assert flow(etl)(True) == "COMMITTED"
    assert told == ["a", "commit a"]


def test_code_may_roll_back_by_itself(step, told):
    a, b = step("a"), step("b")

    def etl():
        with transaction() as txn:
            a()
            assert txn.rollback()
            assert not txn.rollback()
            assert not txn.commit()
            b()

    assert run(etl).is_completed
    assert told == ["a", "undo a", "b", "commit b"]


def test_a_commit_hook_that_fails_undoes_everything_and_fails_the_block(step, told):
    a, b = step("a"), step("b")
    b.on_commit(lambda txn: fail())

    def etl():
        with transaction():
            a()
            b()

    done = run(etl)

    assert isinstance(done.exception, ValueError)
    assert told == ["a", "b", "commit a", "commit b", "undo b", "undo a"]
    assert str(done.tasks["a"].state) == "cancelled"


def test_a_commit_hook_that_fails_fails_a_task_outside_of_blocks(step, told):
    a = step("a")
    a.on_commit(lambda txn: fail())
    done = run(a)

    assert isinstance(done.exception, ValueError)
    assert told == ["a", "commit a", "undo a"]
    assert str(done.tasks["a"].state) == "failed"


def test_a_rollback_hook_that_fails_does_not_keep_the_others_from_undoing(step, told, caplog):
    a, b = step("a"), step("b")
    b.on_rollback(lambda txn: 1 / 0)

    def etl():
        with transaction():
            a()
            b()
            raise KeyError("x")

    assert isinstance(run(etl).exception, KeyError)
    assert told == ["a", "b", "undo b", "undo a"]
    assert "division by zero" in caplog.text


def test_hooks_are_told_what_was_set(told):
    @task
    def write(name):
        get_transaction().set("file", name)

    @write.on_rollback
    def undo(txn):
        told.append((txn.get("file"), txn.get("stage"), txn.get("missing", 7)))

    def etl():
        with transaction() as txn:
            txn.set("stage", "test")
            write("a")
            write("b")
            raise KeyError("x")

    run(etl)
    assert told == [("b", "test", 7), ("a", "test", 7)]


def test_values_are_copies_and_pass_inwards_only():
    def etl():
        with transaction() as outer:
            outer.set("list", [1])
            outer.get("list").append(2)
            with transaction() as inner:
                assert inner.get("list") == [1]
                inner.set("list", "mine")
                assert inner.get_parent() is outer
            assert outer.get("list") == [1]
            with pytest.raises(ValueError, match="nothing was set under the name 'other'"):
                outer.get("other")

    assert run(etl).is_completed


def test_the_current_transaction_is_the_innermost():
    @task
    def ask():
        own = get_transaction()
        with transaction() as inner:
            assert get_transaction() is inner
            assert inner.parent is own
        return own

    def etl():
        assert get_transaction() is None
        with transaction() as txn:
            assert get_transaction() is txn
            assert ask().parent is txn
            assert ask.submit().result().parent is txn
        assert get_transaction() is None
        assert ask().is_committed()

    assert run(etl).is_completed
    assert get_transaction() is None


def test_what_a_task_called_is_undone_when_the_task_fails(step, told):
    inner = step("inner")

    @task(retries=1)
    def outer():
        inner()
        fail()

    run(outer)
    assert told == ["inner", "undo inner", "inner", "undo inner"]


def test_what_a_task_called_is_committed_when_the_task_is(step, told):
    inner = step("inner")
    outer = step("outer", inner)
    run(outer)

    assert told == ["outer", "inner", "commit inner", "commit outer"]


def test_a_hook_may_call_tasks_which_count_by_themselves(step, told):
    a, clean = step("a"), step("clean")

    @a.on_rollback
    def undo(txn):
        clean()

    def etl():
        with transaction():
            a()
            raise KeyError("x")

    run(etl)
    assert told == ["a", "clean", "commit clean", "undo a"]


def test_async_hooks_and_tasks_and_blocks(told):
    @task
    async def write(x):
        await asyncio.sleep(0)
        return x

    @write.on_rollback
    async def undo(txn):
        await asyncio.sleep(0)
        told.append("undo")

    @write.on_commit
    async def commit(txn):
        await asyncio.sleep(0)
        told.append("commit")

    @flow
    async def etl(bad):
        async with atransaction() as txn:
            await asyncio.gather(write(1), write(2))
            with transaction():
                await write(3)
            if bad:
                fail()
        return txn.is_committed()

    assert asyncio.run(etl(False)) is True
    assert told == ["commit"] * 3
    told.clear()
    with pytest.raises(ValueError):
        asyncio.run(etl(True))
    assert told == ["undo"] * 3


def test_a_task_that_ends_after_its_transaction_shares_its_fate(step, told):
    late = step("late")

    @flow
    async def etl(bad):
        started, go = asyncio.Event(), asyncio.Event()

        @task
        async def slow():
            started.set()
            await go.wait()
            return 1

        slow.on_rollback(lambda txn: told.append("undo slow"))
        slow.on_commit(lambda txn: told.append("commit slow"))
        try:
            with transaction():
                pending = asyncio.create_task(slow())
                await started.wait()
                if bad:
                    fail()
        except ValueError:
            pass
        go.set()
        await asyncio.wait([pending])

    asyncio.run(etl(True))
    assert told == ["undo slow"]
    told.clear()
    asyncio.run(etl(False))
    assert told == ["commit slow"]
    assert late.name == "late"


def test_a_sub_flow_is_part_of_the_transaction_around_it(step, told):
    a, b = step("a"), step("b")
    inner = flow(lambda: (a(), b()), name="inner")

    def etl(bad):
        with transaction():
            inner()
            told.append("left")
            if bad:
                fail()

    run(lambda: etl(False))
    assert told == ["a", "b", "left", "commit a", "commit b"]
    told.clear()
    run(lambda: etl(True))
    assert told == ["a", "b", "left", "undo b", "undo a"]


def test_tasks_of_a_sub_flow_outside_of_blocks_count_by_themselves(step, told):
    a = step("a")

    @flow
    def inner():
        a()
        fail()

    run(inner)
    assert told == ["a", "commit a"]


def test_what_a_sub_flow_did_is_undone_with_the_task_that_called_it(step, told):
    a = step("a")
    inner = flow(lambda: a(), name="inner")  # noqa: PLW0108 - a flow is a function

    @task
    def outer():
        get_transaction().set("x", 1)
        inner()
        fail()

    run(outer)
    assert told == ["a", "undo a"]


def test_a_flow_s_next_attempt_executes_again_what_was_undone(step, told):
    before, a, check = step("before"), step("a"), step("check", in_turn(fail, int))

    @flow(retries=1)
    def etl():
        before()
        with transaction():
            a()
            check()

    etl()
    assert told == ["before", "commit before", "a", "check", "undo a", "a", "check", "commit a", "commit check"]


def test_a_block_in_a_program_without_flows(step, told):
    a = step("a")

    with transaction():
        a()
        told.append("end")
    with failing(KeyError):
        a()
        raise KeyError("x")

    assert told == ["a", "end", "commit a", "a", "undo a"]


# With a key


def test_a_key_is_done_once():
    done = []

    @flow
    def etl(value):
        with transaction(key="load-2026") as txn:
            if txn.is_committed():
                return txn.read().result
            done.append(value)
            txn.stage(value)
            assert txn.is_staged()
        return value

    assert [etl(1), etl(2)] == [1, 1]
    assert done == [1]


def test_a_key_whose_block_failed_is_not_done():
    @flow
    def etl(bad):
        with transaction(key="k") as txn:
            if bad:
                fail()
        return str(txn.state)

    with pytest.raises(ValueError):
        etl(True)
    assert transaction(key="k").read() is None
    assert etl(False) == "COMMITTED"
    assert transaction(key="k").read().result is None


def test_overwriting_does_it_again_and_write_on_commit_may_be_refused():
    with transaction(key="k") as txn:
        txn.stage(1)
    with transaction(key="k", overwrite=True) as txn:
        assert not txn.is_committed()
        txn.stage(2)
    with transaction(key="other", write_on_commit=False) as txn:
        txn.stage(3)

    assert transaction(key="k").read().result == 2
    assert transaction(key="other").read() is None


def test_a_committed_key_lets_nothing_be_staged():
    with transaction(key="k") as txn:
        txn.stage(1)
    with transaction(key="k") as txn:
        txn.stage(2)

    assert transaction(key="k").read().result == 1


def test_staged_hooks_are_called():
    told = []
    with transaction() as txn:
        txn.stage(None, on_commit_hooks=[lambda t: told.append(t is txn)])
    with failing(KeyError) as txn:
        txn.stage(None, on_rollback_hooks=[lambda t: told.append("undo")])
        raise KeyError("x")

    assert told == [True, "undo"]


def test_records_may_be_in_a_folder(tmp_path):
    with transaction(key="k", store=tmp_path / "records") as txn:
        txn.stage({"a": (1, 2)})

    assert transaction(key="k", store=str(tmp_path / "records")).read().result == {"a": (1, 2)}
    assert transaction(key="k").read() is None


def test_what_cannot_be_recorded_is_undone(step, told, tmp_path):
    a = step("a")
    with failing(TidemillError, key="k", store=tmp_path) as txn:
        a()
        txn.stage(threading.Lock())

    assert "cannot be pickled" in str(txn.failure)
    assert told == ["a", "commit a", "undo a"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"commit_mode": "LAZZY"}, "did you mean 'LAZY'"),
        ({"isolation_level": "x"}, "no isolation level"),
        ({"key": "k", "store": 3}, "must be a folder or a ResultStore"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, sentence):
    with pytest.raises(DefinitionError, match=sentence):
        transaction(**options)


def test_serializable_blocks_of_one_key_are_entered_one_by_one(tmp_path):
    inside, most = [], []

    @flow
    def etl():
        with transaction(key="k", store=tmp_path, isolation_level=IsolationLevel.SERIALIZABLE) as txn:
            if not txn.is_committed():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=etl) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1]


def test_a_key_locked_outside_may_be_locked_again_inside(tmp_path):
    with transaction(key="k", store=tmp_path, isolation_level="SERIALIZABLE") as outer:
        with transaction(key="k", store=tmp_path) as inner:
            assert inner.isolation_level is IsolationLevel.SERIALIZABLE
        assert outer.state is TransactionState.ACTIVE

    assert inner.is_committed()


# With the cache


def test_values_are_cached_when_the_transaction_is_committed(told):
    @task(cache_policy=TASK_SOURCE)
    def load():
        told.append("load")
        return 1

    def etl(bad):
        with transaction():
            assert load() == 1
            if bad:
                fail()

    for bad in (True, False, True):
        run(lambda bad=bad: etl(bad))

    assert told == ["load", "load"]


def test_what_was_cached_before_is_not_undone(step, told):
    a = step("a", cache_policy=TASK_SOURCE)

    def etl():
        with transaction():
            a()
            raise KeyError("x")

    a()
    run(etl)

    assert told == ["a", "commit a"]


def test_a_value_that_memory_does_not_hold_is_cached_all_the_same(tmp_path):
    @task(cache_policy=TASK_SOURCE, cache_result_in_memory=False, result_handler=LocalResult(tmp_path))
    def load():
        return [1, 2]

    @flow
    def etl():
        with transaction():
            load()
        return load(return_state=True).name, load()

    assert etl() == ("Cached", [1, 2])
