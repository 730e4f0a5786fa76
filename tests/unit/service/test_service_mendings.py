"""Watching over the history: when its damage ends the serving, and when it does not."""

import asyncio
from types import SimpleNamespace

import pytest

from tidemill.domain.errors import HistoryError
from tidemill.service import mendings
from tidemill.service.mendings import MOST, WITHIN, Mendings


@pytest.fixture
def clock():
    return SimpleNamespace(now=1000.0)


@pytest.fixture
def watched(clock, monkeypatch):
    monkeypatch.setattr(mendings, "LOOK", 0)
    return Mendings(lambda: clock.now)


def serve(watched, recorder, rounds=20):
    """Serve for some turns of the loop; tell whether damage ended it."""

    async def serving():
        guard = asyncio.create_task(watched.watch(recorder, asyncio.current_task()))
        try:
            for _ in range(rounds):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            return True
        finally:
            guard.cancel()
        return False

    return asyncio.run(serving())


def test_a_sound_history_is_served(watched):
    assert not serve(watched, SimpleNamespace(is_damaged=False, problem=None))
    assert not watched.is_wanted


def test_damage_ends_the_serving_and_a_mended_one_is_wanted(watched):
    assert serve(watched, SimpleNamespace(is_damaged=True, problem="it is damaged"))
    assert watched.is_wanted


def test_what_is_damaged_again_and_again_is_left_to_a_person_for_a_while(watched, clock):
    damaged = SimpleNamespace(is_damaged=True, problem="it is damaged")

    assert [serve(watched, damaged) for _ in range(MOST + 1)] == [True] * MOST + [False]
    clock.now += WITHIN + 1
    assert serve(watched, damaged)


def test_what_cannot_be_mended_yet_is_tried_again(watched):
    tries = iter([HistoryError("the disk is full"), HistoryError("the disk is full"), 0])
    pauses = []

    def serve_again():
        came = next(tries)
        if isinstance(came, Exception):
            raise came
        return came

    assert watched.go_on(serve_again, pauses.append) == 0
    assert pauses == [mendings.TRY_AGAIN] * 2
    assert watched.is_wanted
