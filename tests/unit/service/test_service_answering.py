import asyncio

import pytest

from tidemill.control.requests import Request
from tidemill.domain.errors import NotFound, Refused
from tidemill.service.answering import in_time


class Asked:
    """One request and what its peer was told."""

    def __init__(self):
        self.told = []
        self.request = Request("run", {"flow": "f"}, 0, self.tell)

    async def tell(self, message):
        self.told.append(message)


def play(scene):
    return asyncio.run(asyncio.wait_for(scene, 20))


def test_what_is_answered_soon_is_answered_as_it_is():
    async def good(request):
        assert request.text("flow") == "f"
        await request.progress({"run": "x"})
        return {"ok": 1}

    async def bad(request):
        raise NotFound("nothing bears that name")

    asked = Asked()
    assert play(in_time(good, lambda: "the disk is full")(asked.request)) == {"ok": 1}
    assert asked.told == [{"run": "x"}]
    with pytest.raises(NotFound, match="bears that name"):
        play(in_time(bad, lambda: "the disk is full")(asked.request))


def test_a_history_that_cannot_be_written_is_told_and_what_was_asked_is_done_later():
    async def scene():
        asked, disk, done = Asked(), asyncio.Event(), []

        async def record(request):
            await disk.wait()
            done.append(True)
            await request.progress({"run": "x"})
            return {}

        with pytest.raises(Refused, match="the disk is full; what was asked is done when"):
            await in_time(record, lambda: "the disk is full", patience=0)(asked.request)
        assert done == []
        disk.set()
        while not done:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asked.told == []

    play(scene())


def test_a_trouble_that_passes_is_waited_for():
    async def scene():
        written = asyncio.Event()
        problems = iter([None, None, None])

        def problem():
            told = next(problems, "gone")
            if told == "gone":
                written.set()
                return None
            return told

        async def record(request):
            await written.wait()
            return {"ok": 1}

        return await in_time(record, problem, patience=0)(Asked().request)

    assert play(scene()) == {"ok": 1}


def test_who_has_been_told_its_run_waits_for_its_end_as_long_as_it_takes():
    async def scene():
        asked, ended = Asked(), asyncio.Event()

        async def wait(request):
            await request.progress({"run": "x"})
            await ended.wait()
            return {"ok": 1}

        answering = asyncio.ensure_future(in_time(wait, lambda: "the disk is full", patience=0)(asked.request))
        while not asked.told:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not answering.done()
        ended.set()
        return await answering

    assert play(scene()) == {"ok": 1}


def test_who_goes_away_takes_the_waiting_along():
    async def scene():
        ended = []

        async def wait(request):
            await request.progress({})
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        asked = Asked()
        answering = asyncio.ensure_future(in_time(wait, lambda: None)(asked.request))
        while not asked.told:
            await asyncio.sleep(0)
        answering.cancel()
        await asyncio.wait([answering])
        await asyncio.sleep(0)
        assert ended == [True]

    play(scene())
