import os
import stat
from pathlib import Path

import pytest

from tidemill.cache.folder import CacheFolder
from tidemill.cache.locks import KeyLocks, locks_of
from tidemill.cache.records import CacheRecord, decode, encode, shown
from tidemill.cache.sweeping import Swept, sweep, sweep_shard
from tidemill.domain.results import ResultInfo

NOW = 1_000_000_000_000
HOUR = 3600 * 1_000_000
INLINE = ResultInfo("history", None, 2, "42", "json", "42")


def record(expires=None, result=INLINE, key="k"):
    return CacheRecord(key, NOW, expires, "etl", "r1", "load", result)


@pytest.fixture
def folder(tmp_path):
    return CacheFolder(tmp_path / "cache")


def value_beside(folder, key, name="r1-0-load.json", content=b"[1,2]"):
    place = folder.shard(key)
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(content)
    return ResultInfo("file", str(place / name), len(content), "", "json")


def files(folder):
    return sorted(path.name for path in folder.folder.rglob("*") if path.is_file())


def test_what_was_kept_is_found_under_its_key_alone(folder):
    folder.keep("k", record())

    assert folder.find("k", NOW) == record()
    assert folder.find("K", NOW) is None
    assert CacheFolder(folder.folder).find("k", NOW) == record()


@pytest.mark.parametrize("key", ["a/b/../c", "\ud800", "x" * 10_000, "\0", "schön"])
def test_a_key_may_be_any_text(folder, key):
    folder.keep(key, record(key=shown(key)))

    assert folder.find(key, NOW).key == shown(key)
    assert len(shown(key)) <= 1_300


def test_only_the_owner_can_look(folder):
    folder.keep("k", record())

    (path,) = folder.folder.rglob("*.record")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_record_that_is_over_is_removed_when_it_is_met(folder):
    folder.keep("k", record(expires=NOW + 5, result=value_beside(folder, "k")))

    assert folder.find("k", NOW + 4) is not None
    assert folder.find("k", NOW + 5) is None
    assert files(folder) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key":1}', b"\xff", encode(record())[:-20]])
def test_a_torn_record_is_none(folder, content):
    folder.keep("k", record())
    (path,) = folder.folder.rglob("*.record")
    path.write_bytes(content)

    assert decode(content) is None
    assert folder.find("k", NOW) is None
    assert files(folder) == []


def test_the_last_writer_s_record_counts_and_the_value_before_it_goes(folder):
    first = value_beside(folder, "k", "r1-0-load.json")
    second = value_beside(folder, "k", "r2-0-load.json")
    folder.keep("k", record(result=first))
    folder.keep("k", record(result=second))
    folder.keep("k", record(result=second))

    assert folder.find("k", NOW).result == second
    assert not Path(first.location).exists()
    assert Path(second.location).exists()


def test_a_value_somewhere_else_is_nobody_s_to_remove(folder, tmp_path):
    mine = tmp_path / "results.json"
    mine.write_text("[]")
    folder.keep("k", record(result=ResultInfo("LocalResult", str(mine), 2, "[]")))
    folder.keep("other", record(result=ResultInfo("CloudResult", "s3://bucket/key", 2, "[]")))
    folder.forget("k")
    folder.forget("other")

    assert folder.find("k", NOW) is None
    assert mine.exists()


def test_nothing_is_found_where_nothing_is(tmp_path):
    nowhere = CacheFolder(tmp_path / "nowhere")

    assert nowhere.find("k", NOW) is None
    nowhere.forget("k")
    assert sweep(tmp_path / "nowhere", NOW) == Swept()
    assert not (tmp_path / "nowhere").exists()


def test_a_sweep_removes_what_is_over_and_what_nobody_used(folder):
    folder.keep("over", record(expires=NOW, result=value_beside(folder, "over", content=b"x" * 1000)))
    folder.keep("old", record())
    folder.keep("used", record())
    for path in folder.folder.rglob("*.record"):
        os.utime(path, ns=(0, (NOW - 10 * HOUR) * 1000))
    folder.find("used", NOW)

    foreseen = sweep(folder.folder, NOW, unused_since=NOW - HOUR, dry_run=True)
    assert len(files(folder)) == 4

    swept = sweep(folder.folder, NOW, unused_since=NOW - HOUR)

    assert swept == foreseen
    assert swept.records == 2
    assert swept.size > 1000
    assert swept.kept == sum(path.stat().st_size for path in folder.folder.rglob("*.record"))
    assert folder.find("used", NOW) is not None
    assert len(files(folder)) == 1


def test_a_sweep_leaves_what_has_no_end(folder):
    folder.keep("k", record())

    assert sweep(folder.folder, NOW + 10**15).records == 0
    assert folder.find("k", NOW) is not None


def test_a_sweep_removes_what_a_crash_left_behind_after_an_hour(folder):
    kept = value_beside(folder, "k", "r1-0-load.json")
    value_beside(folder, "k", "r9-0-load.pickle")
    value_beside(folder, "k", ".a.json.1-2.draft")
    folder.keep("k", record(result=kept))
    written = (folder.shard("k") / "r9-0-load.pickle").stat().st_ctime_ns // 1000

    assert sweep(folder.folder, written + HOUR // 2).size == 0
    assert sweep(folder.folder, written + HOUR * 2).records == 0
    assert len(files(folder)) == 2
    assert Path(kept.location).exists()


def test_a_bounded_sweep_looks_at_so_many_files(folder):
    for number in range(50):
        name = f"{number:02}.record"
        shard = folder.folder / "ab"
        shard.mkdir(parents=True, exist_ok=True)
        (shard / name).write_bytes(encode(record(expires=NOW)))

    assert sweep_shard(shard, NOW, limit=20).records == 20
    assert sweep_shard(shard, NOW).records == 30


def test_a_lock_is_one_holder_s_as_often_as_he_took_it():
    locks, mine, other = KeyLocks(None), object(), object()

    assert locks.take("k", mine)
    assert locks.take("k", mine)
    assert not locks.take("k", other)
    assert locks.take("K", other)
    locks.give_back("k", other)
    locks.give_back("k", mine)
    assert not locks.take("k", other)
    locks.give_back("k", mine)
    assert locks.take("k", other)
    assert locks.is_held("k", other)
    assert not locks.is_held("k", mine)


def test_the_locks_of_a_folder_are_the_same_by_every_name(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "named").symlink_to("real")

    assert locks_of(tmp_path / "real") is locks_of(tmp_path / "named")
    assert locks_of(None) is locks_of(None)
    assert locks_of(tmp_path / "real").take("k", 1)
    assert not locks_of(tmp_path / "named").take("k", 2)
