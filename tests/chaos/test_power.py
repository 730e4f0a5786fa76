"""Losses of power on the real stack's system calls; ``make chaos`` plays back thousands more."""

from collections import Counter
from functools import cache
from random import Random

import pytest

from chaos.losing_power.disk import Disk
from chaos.losing_power.loss import FATES, lose
from chaos.losing_power.playing import draw, play
from chaos.losing_power.recording import ROOT, Cut, Linked, Made, Recording, Renamed, Synced, Told, Unlinked, Written
from chaos.losing_power.taking import record_reference, record_small
from chaos.tracing.tracer import why_not

FULL, NORMAL, OFF = 2, 1, 0
FILE, OTHER, FOLDER = 1, 2, 3


# What a disk may have kept


def images(*deeds, count=400):
    """Return what may be left after *deeds*, each with how often it was."""
    disk = Disk()
    for deed in deeds:
        disk.do(deed)
    return Counter(tuple(sorted(lose(disk, Random(number)).items())) for number in range(count))


def contents(*deeds, count=400):
    """Return what may be left in the file."""
    made = (Made(ROOT, "file", FILE, is_folder=False), Synced(ROOT, 1))
    found = images(*made, *deeds, count=count)
    return {content for image in found for _, content in image}


def test_what_was_synced_is_there_and_nothing_else_is_sure():
    synced = Written(FILE, 0, b"old"), Synced(FILE, 3)

    assert contents(*synced) == {b"old"}
    assert {b"old", b"oldnew", b"oldn", b"old\0\0\0"} <= contents(*synced, Written(FILE, 3, b"new"))


def test_a_write_that_began_after_the_sync_is_not_made_safe_by_it():
    assert b"" in contents(Written(FILE, 0, b"new"), Synced(FILE, 2))


def test_writes_are_kept_each_on_its_own_and_what_lies_between_is_zeros():
    found = contents(Written(FILE, 0, b"a" * 512), Written(FILE, 512, b"b" * 512))

    assert {b"", b"a" * 512, b"a" * 512 + b"b" * 512, bytes(512) + b"b" * 512} <= found


def test_a_cut_may_have_happened_or_not():
    assert {b"old", b"", b"n"} <= contents(
        Written(FILE, 0, b"old"), Synced(FILE, 3), Cut(FILE, 0), Written(FILE, 0, b"n")
    )


def test_names_come_and_go_with_the_sync_of_their_folder():
    made = Made(ROOT, "file", FILE, is_folder=False), Written(FILE, 0, b"x"), Synced(FILE, 2)

    assert set(images(*made)) == {(), (("file", b"x"),)}
    assert set(images(*made, Synced(ROOT, 3))) == {(("file", b"x"),)}
    assert set(images(*made, Synced(ROOT, 3), Unlinked(ROOT, "file"))) == {(), (("file", b"x"),)}


def test_a_rename_is_there_or_not_but_never_half():
    made = [
        Made(ROOT, "file", FILE, is_folder=False), Made(ROOT, "draft", OTHER, is_folder=False), Written(OTHER, 0, b"x"),
        Synced(OTHER, 3), Synced(ROOT, 3),
    ]  # fmt: skip

    found = set(images(*made, Renamed(ROOT, "draft", ROOT, "file", OTHER)))

    assert found == {(("draft", b"x"), ("file", b"")), (("file", b"x"),)}


def test_a_folder_that_is_lost_takes_what_is_in_it():
    deeds = Made(ROOT, "in", FOLDER, is_folder=True), Made(FOLDER, "file", FILE, is_folder=False), Synced(FOLDER, 2)

    assert set(images(*deeds)) == {(), (("in", None), ("in/file", b""))}


def test_two_names_are_one_file():
    deeds = Made(ROOT, "file", FILE, is_folder=False), Linked(ROOT, "link", FILE), Synced(ROOT, 2)

    found = images(*deeds, Written(FILE, 0, b"x" * 2000))

    assert all(image[0][1] == image[1][1] for image in found)
    assert len(found) > len(FATES)


# What the real code finds


@pytest.fixture(scope="module")
def _followed():
    if (reason := why_not()) is not None:
        pytest.skip(f"no loss of power can be played back: {reason}")


def bad(recording: Recording, states: int):
    """Return what was found in so many states."""
    return [told for _, found in play(recording, draw(recording, states, 1)) for told in found.violations]


@pytest.mark.usefixtures("_followed")
def test_nothing_that_was_told_is_lost_with_the_power():
    recording = record_reference("fresh")

    assert bad(recording, 100) == []
    assert sum(isinstance(deed, Told) for deed in recording.deeds) > 50


small = cache(record_small)


@pytest.mark.usefixtures("_followed")
@pytest.mark.parametrize(
    ("synchronous", "of_folders", "named", "is_found"),
    [
        (FULL, False, "", False),
        (NORMAL, False, "", True),
        (OFF, False, "", True),
        (FULL, True, "", True),
        (FULL, False, "history.db", True),
    ],
)
def test_a_history_that_is_synced_less_is_found_out(synchronous, of_folders, named, is_found):
    recording = small(20, synchronous)
    if of_folders or named:
        recording = recording.without_syncs(of_folders=of_folders, named=named)

    assert any("is lost" in told for told in bad(recording, 20)) == is_found
