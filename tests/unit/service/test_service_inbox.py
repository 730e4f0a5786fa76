import asyncio
import threading

from tidemill.service.inbox import BUDGET, Inbox


class Loop:
    """A loop whose turns are taken by hand, and whose clock moves when told."""

    def __init__(self):
        self.calls, self.now = [], 0.0

    def call_soon_threadsafe(self, callback):
        self.calls.append(callback)

    def time(self):
        return self.now

    def turn(self):
        calls, self.calls = self.calls, []
        for call in calls:
            call()


def test_facts_arrive_in_order_and_one_call_serves_them_all():
    loop, heard = Loop(), []
    inbox = Inbox(loop)
    for number in range(5):
        inbox.put(heard.append, number)

    assert len(loop.calls) == 1
    loop.turn()

    assert heard == [0, 1, 2, 3, 4]
    assert loop.calls == []


def test_facts_beyond_the_budget_wait_for_the_next_turn():
    loop, heard = Loop(), []
    inbox = Inbox(loop)

    def slow(number):
        heard.append(number)
        loop.now += BUDGET * 0.6

    for number in range(5):
        inbox.put(slow, number)

    loop.turn()
    assert heard == [0, 1]
    loop.turn()
    loop.turn()
    assert heard == [0, 1, 2, 3, 4]
    assert loop.calls == []


def test_what_is_put_meanwhile_does_not_get_a_budget_of_its_own():
    loop, heard = Loop(), []
    inbox = Inbox(loop)

    def slow(number):
        heard.append(number)
        loop.now += BUDGET
        inbox.put(heard.append, -number)

    for number in (1, 2, 3):
        inbox.put(slow, number)

    assert len(loop.calls) == 1
    loop.turn()

    assert heard == [1, 2]
    assert len(loop.calls) == 1


def test_a_listener_that_raises_does_not_silence_the_others():
    loop, heard = Loop(), []
    inbox = Inbox(loop)
    inbox.put(lambda _: 1 / 0, None)
    inbox.put(heard.append, 1)

    loop.turn()

    assert heard == [1]


def test_what_a_listener_puts_is_heard_too():
    loop, heard = Loop(), []
    inbox = Inbox(loop)
    inbox.put(lambda _: inbox.put(heard.append, 2), None)

    loop.turn()
    loop.turn()

    assert heard == [2]


def test_nothing_is_lost_between_threads():
    heard = []

    async def listen():
        inbox = Inbox(asyncio.get_running_loop())
        threads = [
            threading.Thread(target=lambda who=who: [inbox.put(heard.append, (who, n)) for n in range(2000)])
            for who in range(4)
        ]
        for thread in threads:
            thread.start()
        while len(heard) < 8000:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(listen(), 20))

    for who in range(4):
        assert [n for thread, n in heard if thread == who] == list(range(2000))


def test_a_closed_loop_hears_no_more():
    loop = asyncio.new_event_loop()
    loop.close()

    Inbox(loop).put(print, "nobody")
