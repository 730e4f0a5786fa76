"""``wait``: answer when a run has ended and its end is durable."""

import asyncio

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.states import State
from tidemill.service.daemon import Daemon


async def answer(daemon: Daemon, request: Request) -> Message:
    """Answer with the state the run ended in; a sub-flow has surely ended when the run has that carries it."""
    uid = request.text("run")
    stored = await daemon.load_run(uid)
    carrier = stored.root or uid
    active = daemon.dispatcher.find(carrier)
    if active is None or active.ended or stored.state.is_terminal:
        return {"run": uid, "state": str((await daemon.load_run(uid)).state)}
    ended = daemon.waiters.expect(carrier)
    await request.progress({"run": uid})
    answered = await until_ended(daemon, carrier, ended)
    return answered if carrier == uid else {"run": uid, "state": str((await daemon.load_run(uid)).state)}


async def until_ended(daemon: Daemon, uid: str, ended: asyncio.Future[State]) -> Message:
    """Wait for *ended*; a client that goes away takes its future along."""
    try:
        return {"run": uid, "state": str(await ended)}
    finally:
        daemon.waiters.forget(uid, ended)
