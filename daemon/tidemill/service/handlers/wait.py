"""``wait``: answer when a run has ended and its end is durable."""

import asyncio

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.states import State
from tidemill.service.daemon import Daemon


async def answer(daemon: Daemon, request: Request) -> Message:
    """Answer with the state the run ended in."""
    uid = request.text("run")
    active = daemon.dispatcher.find(uid)
    if active is None or active.ended:
        return {"run": uid, "state": str((await daemon.load_run(uid)).state)}
    ended = daemon.waiters.expect(uid)
    await request.progress({"run": uid})
    return await until_ended(daemon, uid, ended)


async def until_ended(daemon: Daemon, uid: str, ended: asyncio.Future[State]) -> Message:
    """Wait for *ended*; a client that goes away takes its future along."""
    try:
        return {"run": uid, "state": str(await ended)}
    finally:
        daemon.waiters.forget(uid, ended)
