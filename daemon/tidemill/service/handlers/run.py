"""``run``: make a run of a flow now. The id that is answered is durable."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.errors import Refused
from tidemill.domain.outcomes import Trigger
from tidemill.domain.parameters import check_parameters
from tidemill.service.daemon import Daemon
from tidemill.service.handlers.wait import until_ended


async def answer(daemon: Daemon, request: Request) -> Message:
    """Record a run and let it start as soon as there is a slot; with ``wait``, answer when it has ended."""
    flow = daemon.flow(request.text("flow"))
    parameters = request.mapping("parameters")
    check_parameters(flow.manifest, parameters)
    name = flow.manifest.name
    if flow.paused_at is not None and not request.flag("force"):
        raise Refused(f"{name} is paused; resume it with: tidemill resume {name}, or run it all the same with --force")
    run = daemon.new_run(flow, parameters, Trigger.MANUAL)
    ended = daemon.waiters.expect(run.uid) if request.flag("wait") else None
    await daemon.record(run)
    if ended is None:
        return {"run": run.uid}
    await request.progress({"run": run.uid})
    return await until_ended(daemon, run.uid, ended)
