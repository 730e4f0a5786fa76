"""``retry``: a new run of an old one, from the tasks that did not complete, or from one that a person names."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.outcomes import Trigger
from tidemill.service.daemon import Daemon
from tidemill.service.handlers.wait import until_ended
from tidemill.service.retrying import plan_retry


async def answer(daemon: Daemon, request: Request) -> Message:
    """Record a run that takes over the finished tasks of its parent and executes the rest; with ``plan``, only tell."""
    plan = await plan_retry(daemon, request.text("run"), request.optional_text("from"))
    told = plan.told()
    if request.flag("plan"):
        return {"run": None, **told}
    parent = plan.parent
    run = daemon.new_run(plan.flow, parent.parameters, Trigger.RETRY)
    run.parent, run.attempt, run.scheduled_for = parent.uid, parent.attempt + 1, parent.scheduled_for
    run.resume = plan.finished
    ended = daemon.waiters.expect(run.uid) if request.flag("wait") else None
    await daemon.record(run, lambda writer, new: writer.add_retry(new, plan.restart, plan.notes()))
    if ended is None:
        return {"run": run.uid, **told}
    await request.progress({"run": run.uid, **told})
    return await until_ended(daemon, run.uid, ended)
