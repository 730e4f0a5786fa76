"""Pruning a state directory: by age, number and size, with its files, and never a thing too much."""

import os
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from care_lab import DAYS, World
from tidemill.cache.folder import CacheFolder
from tidemill.cache.records import CacheRecord
from tidemill.care import removing, rounds
from tidemill.care.policy import DAY
from tidemill.care.removing import Removing
from tidemill.domain.outcomes import Outcome, Trigger
from tidemill.domain.results import ResultInfo
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.states import State
from tidemill.history.records import NewOccurrence, NewRun
from tidemill.history.removing import RemovalWriting


def test_what_is_too_old_goes_with_its_files_and_the_rest_stays(world):
    world.run("a000000000", age=31)
    world.run("b000000000", age=29)
    world.run("c000000000", age=1)

    report = world.prune(keep_for=30 * DAY)

    assert (report.runs, report.failed_runs) == (1, 0)
    assert world.uids() == ["b000000000", "c000000000"]
    assert world.files("a000000000") == []
    assert len(world.files("b000000000")) == 3
    assert report.freed > 5000
    assert world.lab.write(lambda w: w.load_removals()) == ([], [])


def test_no_power_cut_brings_back_what_is_noted_as_gone(world, synced, monkeypatch):
    order = []
    forget = RemovalWriting.forget_removals
    monkeypatch.setattr(RemovalWriting, "forget_removals", lambda *args: order.extend(synced) or forget(*args))
    world.run("a000000000", age=31)
    world.run("b000000000", age=1)

    world.prune(keep_for=30 * DAY)

    assert world.paths.journal("a000000000").parent in order


def test_failed_runs_are_kept_longer(world):
    world.run("a000000000", age=400, state=State.FAILED)
    world.run("b000000000", age=40, state=State.CRASHED)
    world.run("c000000000", age=40, state=State.CANCELLED)
    world.run("d000000000", age=40)
    world.run("e000000000", age=1)

    report = world.prune(keep_for=30 * DAY, keep_failed_for=365 * DAY)

    assert world.uids() == ["b000000000", "e000000000"]
    assert (report.runs, report.failed_runs, report.failed_kept) == (3, 1, 1)


def test_of_each_flow_the_newest_stay(world):
    for number in range(5):
        world.run(f"a{number:09}", age=10 - number)
        world.run(f"b{number:09}", age=10 - number, flow="hourly")
    world.run("z000000000", age=20, state=State.FAILED)

    report = world.prune(keep_runs=2)

    assert world.uids() == ["a000000003", "a000000004", "b000000003", "b000000004", "z000000000"]
    assert report.runs == 6


def test_the_newest_run_of_a_flow_stays_whatever_its_age(world):
    world.run("a000000000", age=900)
    world.run("b000000000", age=800)
    world.run("c000000000", age=1, flow="hourly")

    world.prune(keep_for=DAY)

    assert world.uids() == ["b000000000", "c000000000"]


def test_what_goes_on_stays_whatever_its_age(world):
    run_id = world.lab.add_run("a000000000", queued_at=world.now - 400 * DAYS)
    world.lab.write(lambda w: w.execute("UPDATE runs SET state = 'running' WHERE id = ?", (run_id,)))
    world.leave_files("a000000000", world.now - 400 * DAYS)
    world.run("b000000000", age=0)

    report = world.prune(keep_for=DAY, keep_failed_for=DAY, keep_runs=1, max_size=1)

    assert world.uids() == ["a000000000", "b000000000"]
    assert len(world.files("a000000000")) == 3
    assert "may not be removed" in report.notes[0]


def test_a_run_whose_process_is_still_there_stays(world):
    world.run("a000000000", age=90)
    world.run("b000000000", age=90)
    world.run("c000000000", age=1)

    world.prune(is_busy=lambda uid: uid == "a000000000", keep_for=DAY)

    assert world.uids() == ["a000000000", "c000000000"]


def test_a_retried_run_goes_with_the_runs_that_repeat_it_or_after_them(world):
    world.run("a000000000", age=90, state=State.FAILED)
    world.run("b000000000", age=80, state=State.FAILED, trigger=Trigger.RETRY, parent="a000000000")
    world.run("c000000000", age=70, trigger=Trigger.RETRY, parent="b000000000")
    world.run("k000000000", age=90, state=State.FAILED, flow="kept")
    world.run("m000000000", age=5, trigger=Trigger.RETRY, parent="k000000000", flow="kept")
    world.run("z000000000", age=1)

    report = world.prune(keep_for=30 * DAY, keep_failed_for=30 * DAY)

    assert world.uids() == ["k000000000", "m000000000", "z000000000"]
    assert (report.runs, report.needed) == (3, 1)


def test_a_retry_that_completed_stays_as_long_as_the_run_that_failed(world):
    world.run("a000000000", age=90, state=State.FAILED)
    world.run("b000000000", age=80, trigger=Trigger.RETRY, parent="a000000000")
    world.run("c000000000", age=70)
    world.run("z000000000", age=1)

    report = world.prune(keep_for=30 * DAY, keep_failed_for=95 * DAY)
    assert world.uids() == ["a000000000", "b000000000", "z000000000"], "it could be retried again, and do all again"
    assert (report.runs, report.needed) == (1, 1)

    world.prune(keep_for=30 * DAY, keep_failed_for=85 * DAY)
    assert world.uids() == ["z000000000"]


def test_the_oldest_go_first_while_everything_together_is_too_large(world):
    for number in range(20):
        world.run(f"a{number:09}", age=20 - number, state=State.FAILED if number < 2 else State.COMPLETED)
        world.paths.log(f"a{number:09}").write_bytes(b"x" * 100_000)

    report = world.prune(max_size=1_200_000)

    left = world.uids()
    assert left[:2] == ["a000000000", "a000000001"]
    assert left[2:] == [f"a{number:09}" for number in range(20 - len(left) + 2, 20)]
    assert report.size <= 1_200_000 * 0.96
    assert 3 < len(left) < 12


def test_failed_runs_go_too_when_nothing_else_is_left_to_go(world):
    for number in range(10):
        world.run(f"a{number:09}", age=20 - number, state=State.FAILED)
        world.paths.log(f"a{number:09}").write_bytes(b"x" * 100_000)

    world.prune(max_size=700_000)

    assert 1 < len(world.uids()) < 6


def test_foreseeing_tells_the_same_and_removes_nothing(world):
    for number in range(30):
        world.run(f"a{number:09}", age=60 - number, state=State.FAILED if number % 10 == 0 else State.COMPLETED)
    world.leave_files("0rphan0000", world.now - 900 * DAYS)
    bounds = {"keep_for": 40 * DAY, "keep_failed_for": 55 * DAY, "keep_runs": 20}
    before = world.uids()

    foreseen = world.foresee(**bounds)

    assert foreseen.dry_run
    assert world.uids() == before
    assert world.files("0rphan0000")
    done = world.prune(**bounds)
    for field in ("runs", "failed_runs", "moments", "leftovers", "needed", "failed_kept"):
        assert getattr(foreseen, field) == getattr(done, field), field
    assert foreseen.runs > 10


def test_foreseeing_what_is_too_large_comes_close(world):
    for number in range(20):
        world.run(f"a{number:09}", age=20 - number)
        world.paths.log(f"a{number:09}").write_bytes(b"x" * 100_000)

    foreseen, done = world.foresee(max_size=1_200_000), world.prune(max_size=1_200_000)

    assert abs(foreseen.runs - done.runs) <= 2


# Files


def test_what_a_killed_pruning_left_is_finished_by_the_next(world):
    run_id = world.run("a000000000", age=90)
    world.run("b000000000", age=1)
    world.lab.write(lambda w: w.remove_runs([(run_id, "a000000000")], lambda: True))
    assert world.files("a000000000")

    report = world.prune()

    assert world.files("a000000000") == []
    assert report.freed > 0
    assert world.lab.write(lambda w: w.load_removals()) == ([], [])


def test_files_that_cannot_be_removed_are_tried_again(world, monkeypatch, caplog):
    world.run("a000000000", age=90)
    world.run("b000000000", age=1)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(removing, "remove_run_files", refuse)
        world.prune(keep_for=DAY)
    assert world.uids() == ["b000000000"]
    assert "cannot be removed" in caplog.text

    world.prune()
    assert world.files("a000000000") == []


def test_files_without_a_run_go_when_nobody_can_want_them_any_more(world):
    world.run("b000000000", age=1)
    old = world.now - 400 * DAYS
    world.leave_files("xd00000000", old)
    world.leave_files("ynng000000", world.now - 10 * DAYS)
    world.leave_files("nj00000000", world.now - 2 * DAYS)
    world.paths.journal("nj00000000").unlink()
    world.leave_files("tday000000", world.now - 1)
    world.paths.journal("tday000000").unlink()

    report = world.prune(keep_failed_for=365 * DAY)

    assert [bool(world.files(uid)) for uid in ("xd00000000", "ynng000000", "nj00000000", "tday000000")] == [
        False,
        True,
        False,
        True,
    ]
    assert (report.leftovers, report.unrecorded) == (2, 1)


def test_a_journal_is_never_rubbish_where_failed_runs_are_kept_for_ever(world):
    world.run("b000000000", age=1)
    world.leave_files("xd00000000", world.now - 3000 * DAYS)

    assert world.prune().unrecorded == 1
    assert world.files("xd00000000")


def test_nothing_outside_is_touched_whatever_a_run_put_there(world, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "wine.txt").write_text("1961")
    world.run("a000000000", age=90)
    inside = world.paths.run_results("a000000000") / "link"
    inside.symlink_to(precious)
    world.run("c000000000", age=90)
    results = world.paths.run_results("c000000000")
    (results / "0-load.json").unlink()
    results.rmdir()
    results.symlink_to(precious)
    world.run("b000000000", age=1)

    world.prune(keep_for=DAY)

    assert world.uids() == ["b000000000"]
    assert (precious / "wine.txt").read_text() == "1961"
    assert not os.path.lexists(results)


def test_a_shard_that_is_a_link_is_left_alone(world, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ax00000000.log").write_text("precious")
    (world.paths.root / "logs" / "ax").symlink_to(elsewhere)
    world.run("ax00000000", age=90, files=False)
    world.run("b000000000", age=1)

    world.prune(keep_for=DAY)

    assert (elsewhere / "ax00000000.log").exists()


def test_foreign_files_in_the_state_directory_stay(world):
    world.run("b000000000", age=1)
    folder = world.paths.log("b000000000").parent
    (folder / "notes.txt").write_text("mine")
    (folder / "exits").write_text("mine")

    world.prune(keep_for=DAY, keep_failed_for=DAY)

    assert (folder / "notes.txt").exists()
    assert (folder / "exits").exists()


# Versions and texts


def keep_text(world: World, digest: str, age: float) -> None:
    path = world.paths.source(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    for file in (path, path.with_name(path.name + ".code")):
        file.write_text("x = 1")
        at = round(world.now - age * DAYS) * 1000
        os.utime(file, ns=(at, at))


def test_texts_that_no_run_was_made_of_any_more_go_from_history_and_disk(world):
    digests = {name: f"{name * 2}{'0' * 62}" for name in "abc"}
    for name, digest in digests.items():
        keep_text(world, digest, 30)
        world.lab.write(lambda w, n=name, d=digest: [w.add_sources({d: b"x = 1"}), w.add_version(n, d, {"/f.py": d})])
    world.run("a000000000", age=90, version="a")
    world.run("b000000000", age=1, version="b")
    world.lab.write(lambda w: w.execute("UPDATE flows SET version_id = ?", (w.version_id("c"),)))
    keep_text(world, f"dd{'0' * 62}", 30)
    keep_text(world, f"ee{'0' * 62}", 0)

    report = world.prune(keep_for=DAY)

    assert report.versions == 1
    left = {path.name[:1] for path in (world.paths.root / "sources").rglob("*") if path.is_file()}
    assert left == {"b", "c", "e"}
    assert world.lab.write(lambda w: len(w.rows("SELECT hash FROM sources"))) == 2


# What tasks have computed before


BIG = ResultInfo("history", None, 2, "42", "json", "4" * 5000)


def keep_cached(world: World, key: str, unused: float) -> Path:
    """Keep a result for later calls that was last used some days ago."""
    folder = CacheFolder(world.paths.cache)
    folder.keep(key, CacheRecord(key, 0, None, "nightly", "a000000000", "load", BIG))
    path = folder._path(key)
    at = round(world.now - unused * DAYS) * 1000
    os.utime(path, ns=(at, at))
    return path


def test_what_was_not_used_for_as_long_as_runs_are_kept_is_computed_again(world):
    world.run("b000000000", age=1)
    old, young = keep_cached(world, "old", 40), keep_cached(world, "young", 5)

    report = world.prune(keep_for=30 * DAY)

    assert report.cached == 1
    assert not old.exists()
    assert young.exists()


def test_what_can_be_computed_again_goes_before_any_run(world):
    for number in range(5):
        world.run(f"a{number:09}", age=5 - number)
    kept = [keep_cached(world, str(number), 2) for number in range(20)]
    size = world.foresee().size

    report = world.prune(max_size=size - 50_000)

    assert (report.runs, report.cached) == (0, 20)
    assert not any(path.exists() for path in kept)


# The ledger and the file


def test_old_moments_go_and_recent_ones_stay(world):
    (stored,) = world.lab.write(lambda w: w.sync_schedules("nightly", [ScheduleSpec("every", "60")], 1))

    def fill(writer):
        for day in range(200):
            moment = world.now - day * DAYS
            writer.add_occurrence(NewOccurrence(stored.id, moment, Outcome.MISSED, "", moment))
        writer.advance_cursor(stored.id, world.now)

    world.lab.write(fill)

    report = world.prune(keep_moments_for=90 * DAY)

    assert report.moments == 109
    assert world.lab.write(lambda w: w.row("SELECT COUNT(*) FROM occurrences"))[0] == 91


def test_the_file_shrinks(world):
    def fill(writer):
        for number in range(2000):
            text = {"text": "x" * 2000}
            run_id = writer.add_run(NewRun(f"a{number:09}", "nightly", number, parameters=text))
            writer.end_run(run_id, State.COMPLETED, None, number + 1)

    world.lab.write(fill)
    world.run("z000000000", age=0, files=False)
    path = world.lab.folder / "history.db"
    world.lab.pen.tidy()
    before = path.stat().st_size

    report = world.prune(keep_for=DAY)

    assert report.runs == 2000
    assert path.stat().st_size < before / 4
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_file_that_cannot_shrink_says_what_to_do(world):
    path = world.lab.folder / "history.db"
    world.lab.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = 0")
        connection.execute("VACUUM")

    assert "tidemill prune --compact" in world.prune(keep_for=DAY).notes[0]


def test_it_can_be_ended_between_two_slices(world):
    for number in range(300):
        world.run(f"a{number:09}", age=90, files=number < 3)
    world.run("z000000000", age=0)
    rests = []

    def rest(seconds):
        rests.append(seconds)
        return len(rests) > 2

    report = world.prune(rest, keep_for=DAY)

    assert 1 < len(world.uids()) < 301
    assert "the next one goes on" in report.notes[0]
    assert world.prune(keep_for=DAY).runs > 0
    assert world.uids() == ["z000000000"]
    assert world.files("a000000001") == []


def test_on_postgresql_everything_but_the_file_is_the_same(postgresql, tmp_path, lab):
    if not isinstance(lab.address, str):
        pytest.skip("on SQLite all other tests are")
    world = World(lab)
    for number in range(10):
        world.run(f"a{number:09}", age=90 - number, state=State.FAILED if number < 2 else State.COMPLETED)
    world.run("z000000000", age=1)

    foreseen = world.foresee(keep_for=85 * DAY, keep_runs=3, max_size=10**9)
    report = world.prune(keep_for=85 * DAY, keep_runs=3, max_size=10**9)

    assert world.uids() == ["a000000000", "a000000001", "a000000008", "a000000009", "z000000000"]
    assert report.runs == foreseen.runs == 6
    assert world.files("a000000005") == []


def test_the_hand_rests_in_proportion_to_what_it_took(world, monkeypatch):
    rests = []
    world.run("a000000000", age=90)
    world.run("b000000000", age=1)
    ticks = iter(range(10**6))
    monkeypatch.setattr(rounds, "Removing", partial(Removing, monotonic=lambda: next(ticks) / 100))

    world.prune(rests.append, keep_for=DAY)

    assert rests
    assert all(seconds > 0.029 for seconds in rests)
