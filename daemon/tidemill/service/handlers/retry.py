"""``retry``: a new run of an old one, from the tasks that did not complete."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.errors import Refused
from tidemill.domain.outcomes import Trigger
from tidemill.domain.states import State
from tidemill.history.records import StoredRun
from tidemill.service.daemon import Daemon
from tidemill.service.handlers.wait import until_ended


async def answer(daemon: Daemon, request: Request) -> Message:
    """Record a run that takes over the finished tasks of its parent and executes the rest."""
    uid = request.text("run")
    active = daemon.dispatcher.find(uid)
    if active is not None and not active.ended:
        raise Refused(f"the run {uid} is still going; cancel it first with: tidemill cancel {uid}")
    parent = await daemon.load_run(uid)
    if parent.root is not None:
        raise Refused(_of_subflow(parent, await daemon.load_run(parent.root)))
    if parent.state is State.COMPLETED:
        raise Refused(
            f"the run {uid} completed; there is nothing to retry. Run the flow anew: tidemill run {parent.flow}"
        )
    flow = daemon.flow(parent.flow)
    run = daemon.new_run(flow, parent.parameters, Trigger.RETRY)
    run.parent, run.attempt, run.scheduled_for = uid, parent.attempt + 1, parent.scheduled_for
    run.resume = await daemon.finished_tasks(uid)
    ended = daemon.waiters.expect(run.uid) if request.flag("wait") else None
    await daemon.record(run)
    if ended is None:
        return {"run": run.uid}
    await request.progress({"run": run.uid})
    return await until_ended(daemon, run.uid, ended)


def _of_subflow(child: StoredRun, root: StoredRun) -> str:
    told = f"the run {child.uid} is a sub-flow of the run {root.uid}"
    if root.state is State.COMPLETED:
        return f"{told}, which completed; there is nothing to retry. Run that flow anew: tidemill run {root.flow}"
    return f"{told}; retry that one with: tidemill retry {root.uid}"
