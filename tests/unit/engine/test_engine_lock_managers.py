import threading
import time

import pytest

from tidemill import flow, task
from tidemill.cache_policies import INPUTS
from tidemill.locking.filesystem import FileSystemLockManager
from tidemill.locking.memory import MemoryLockManager
from tidemill.results import ResultStore
from tidemill.transactions import IsolationLevel, transaction


@pytest.fixture(params=["memory", "folder"])
def manager(request, tmp_path):
    return MemoryLockManager() if request.param == "memory" else FileSystemLockManager(tmp_path / "locks")


def test_a_key_is_its_holder_s_until_he_gives_it_back(manager):
    assert manager.acquire_lock("k", "me", acquire_timeout=0)
    assert manager.is_lock_holder("k", "me")
    assert manager.is_locked("k")
    assert not manager.acquire_lock("k", "other", acquire_timeout=0)
    assert not manager.wait_for_lock("k", timeout=0)
    with pytest.raises(ValueError, match="other does not hold its lock"):
        manager.release_lock("k", "other")

    manager.release_lock("k", "me")
    assert not manager.is_locked("k")
    assert manager.wait_for_lock("k", timeout=0)


def test_without_a_holder_the_calling_thread_is_one(manager):
    seen = []
    assert manager.acquire_lock("k")
    thread = threading.Thread(target=lambda: seen.append(manager.acquire_lock("k", acquire_timeout=0)))
    thread.start()
    thread.join()
    manager.release_lock("k")

    assert seen == [False]


def test_who_waits_gets_the_key_when_it_is_free(manager, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: manager.release_lock("k", "me"))
    assert manager.acquire_lock("k", "me")

    assert manager.acquire_lock("k", "other")
    manager.release_lock("k", "other")


def test_managers_serve_policies_and_transactions(manager, tmp_path):
    done = []

    @task(cache_policy=INPUTS.configure(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=manager))
    def load(x):
        done.append(x)
        return x

    @flow
    def etl():
        load.map([str(tmp_path)] * 8).result()
        store = ResultStore(result_storage=tmp_path / "records", lock_manager=manager)
        with transaction(key="k", isolation_level=IsolationLevel.SERIALIZABLE, store=store) as txn:
            assert manager.is_locked("k")
            txn.stage(1)
        assert not manager.is_locked("k")

    etl()
    assert done == [str(tmp_path)]
    assert (tmp_path / "records").is_dir()


def test_a_manager_of_the_author_s_own_need_only_acquire_and_release():
    told = []

    class Manager:
        def acquire_lock(self, key, holder, acquire_timeout=None, hold_timeout=None):
            told.append("acquire")
            return len(told) > 2

        def release_lock(self, key, holder):
            told.append("release")

    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE", lock_manager=Manager()))
    def add(own):
        return own

    add("a value of this test alone")
    assert told == ["acquire", "acquire", "acquire", "release"]


def test_a_manager_that_fails_costs_the_lock_only(caplog):
    class Manager:
        def acquire_lock(self, *_, **__):
            raise ConnectionError("redis is gone")

        release_lock = acquire_lock

    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE", lock_manager=Manager()))
    def add(own):
        return own

    assert add("another value of this test alone") == "another value of this test alone"
    assert "executed without a lock on its cache key: redis is gone" in caplog.text
