"""What a person may ask of a run that another run called."""

import asyncio
from types import SimpleNamespace

import pytest

from tidemill.control.requests import Request
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import Refused
from tidemill.domain.states import State
from tidemill.history.records import StoredRun
from tidemill.service.handlers import cancel, retry, wait
from tidemill.service.waiting import Waiters

ROOT, CHILD = "k3f0000000", "aaa0000000"


def stored(uid: str, flow: str, state: State, root: str | None = None) -> StoredRun:
    empty = dict.fromkeys(StoredRun.__slots__)
    return StoredRun(**{**empty, "uid": uid, "flow": flow, "state": state, "root": root})


def refusal(handler, child: State, root: State) -> str:
    runs = {CHILD: stored(CHILD, "load", child, ROOT), ROOT: stored(ROOT, "nightly", root)}

    async def load_run(uid):
        return runs[uid]

    # The dispatcher knows nothing of children, whether their root is alive or not.
    daemon = SimpleNamespace(dispatcher=SimpleNamespace(find=lambda uid: None), load_run=load_run)
    request = Request(handler.__name__, {"run": CHILD}, 0, None)
    with pytest.raises(Refused) as refused:
        asyncio.run(handler.answer(daemon, request))
    return str(refused.value)


def test_a_live_sub_flow_is_cancelled_with_the_run_that_carries_it():
    assert refusal(cancel, State.RUNNING, State.RUNNING) == (
        "the run aaa0000000 is a sub-flow of the run k3f0000000 and ends only with it;"
        " cancel that one with: tidemill cancel k3f0000000"
    )


def test_a_sub_flow_that_is_over_is_told_like_any_run():
    assert refusal(cancel, State.FAILED, State.RUNNING) == "the run aaa0000000 is over already: failed"


@pytest.mark.parametrize("child", [State.FAILED, State.COMPLETED, State.RUNNING])
def test_a_sub_flow_is_retried_with_the_run_that_called_it(child):
    assert refusal(retry, child, State.FAILED) == (
        "the run aaa0000000 is a sub-flow of the run k3f0000000; retry that one with: tidemill retry k3f0000000"
    )


def test_a_sub_flow_whose_run_completed_all_the_same_is_not_sent_to_a_retry_that_is_refused():
    assert refusal(retry, State.FAILED, State.COMPLETED) == (
        "the run aaa0000000 is a sub-flow of the run k3f0000000, which completed; there is nothing to retry."
        " Run that flow anew: tidemill run nightly"
    )


def test_who_waits_for_a_sub_flow_is_told_its_end_when_its_run_has_ended():
    runs = {CHILD: stored(CHILD, "load", State.RUNNING, ROOT), ROOT: stored(ROOT, "nightly", State.RUNNING)}
    live = ActiveRun(ROOT, "nightly", state=State.RUNNING)
    told = []

    async def load_run(uid):
        return runs[uid]

    async def ask():
        async def tell(message):
            told.append(message)
            runs[CHILD] = stored(CHILD, "load", State.FAILED, ROOT)
            live.state = State.COMPLETED
            daemon.waiters.ended(live)

        daemon = SimpleNamespace(
            dispatcher=SimpleNamespace(find={ROOT: live}.get), load_run=load_run, waiters=Waiters()
        )
        return await wait.answer(daemon, Request("wait", {"run": CHILD}, 0, tell))

    assert asyncio.run(ask()) == {"run": CHILD, "state": "failed"}
    assert told == [{"run": CHILD}]
    assert asyncio.run(ask()) == {"run": CHILD, "state": "failed"}
    assert len(told) == 1
