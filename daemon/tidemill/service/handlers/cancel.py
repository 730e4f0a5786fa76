"""``cancel``: end a run that waits or lives."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.errors import Refused
from tidemill.service.daemon import Daemon


async def answer(daemon: Daemon, request: Request) -> Message:
    """Ask the run to stop; answer with the state it is in now."""
    uid = request.text("run")
    active = daemon.dispatcher.find(uid)
    if active is None or active.ended:
        state = (await daemon.load_run(uid)).state
        raise Refused(f"the run {uid} is over already: {state}")
    state = await daemon.cancel(uid, "cancelled by hand")
    return {"run": uid, "state": str(state)}
