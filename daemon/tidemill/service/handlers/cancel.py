"""``cancel``: end a run that waits or lives, or all runs of a flow that wait."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.errors import Refused
from tidemill.service.daemon import Daemon


async def answer(daemon: Daemon, request: Request) -> Message:
    """Ask the run to stop and answer with the state it is in now; or end what waits, and answer how many that were."""
    if name := request.optional_text("waiting"):
        flow = daemon.flow(name).manifest.name
        waiting = [run for run in daemon.dispatcher.active_of(flow) if not run.launched]
        cancelled, _ = await daemon.cancel_all(waiting, "cancelled by hand, with all runs of its flow that waited")
        return {"flow": flow, "cancelled": cancelled}
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
