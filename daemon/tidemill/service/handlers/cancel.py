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
        stored = await daemon.load_run(uid)
        if stored.root is not None and not stored.state.is_terminal:
            raise Refused(
                f"the run {uid} is a sub-flow of the run {stored.root} and ends only with it;"
                f" cancel that one with: tidemill cancel {stored.root}"
            )
        raise Refused(f"the run {uid} is over already: {stored.state}")
    state = await daemon.cancel(uid, "cancelled by hand")
    return {"run": uid, "state": str(state)}
