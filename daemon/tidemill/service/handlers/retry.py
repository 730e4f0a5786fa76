"""``retry``: a new run of an old one, from the tasks that did not complete, or from one that a person names."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.outcomes import Trigger
from tidemill.history.records import NewRun
from tidemill.history.writing import Writer
from tidemill.service.daemon import Daemon
from tidemill.service.finished import finished_path, keep_finished
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
    finished = finished_path(daemon.paths, run.uid)
    run.finished = str(finished) if plan.past else ""
    ended = daemon.waiters.expect(run.uid) if request.flag("wait") else None

    def write(writer: Writer, new: NewRun) -> int:
        key = writer.add_retry(new, plan.restart, plan.notes())
        keep_finished(writer, plan.past, finished)
        return key

    await daemon.record(run, write)
    if ended is None:
        return {"run": run.uid, **told}
    await request.progress({"run": run.uid, **told})
    return await until_ended(daemon, run.uid, ended)
