"""``stop``: end the daemon. Live runs go on without it, unless asked otherwise."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.errors import Refused
from tidemill.service.daemon import Daemon


async def answer(daemon: Daemon, request: Request) -> Message:
    """Begin the end and answer; ``drain`` waits for the live runs first, ``cancel`` cancels them."""
    drain, cancel = request.flag("drain"), request.flag("cancel")
    if drain and cancel:
        raise Refused("stop takes drain or cancel, not both")
    live = len(daemon.dispatcher.live_runs)
    daemon.ask_to_stop(drain=drain, cancel=cancel)
    return {"stopping": True, "live_runs": live}
