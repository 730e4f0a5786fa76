"""``adopt``: record a run that was made in somebody's terminal (``tidemill run FILE``)."""

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.domain.errors import ProtocolError
from tidemill.domain.identifiers import is_run_id
from tidemill.service.daemon import Daemon


async def answer(daemon: Daemon, request: Request) -> Message:
    """Take the run into the history; its journal tells the rest."""
    uid = request.text("run")
    if not is_run_id(uid):
        raise ProtocolError(f"{uid!r} is not a run id")
    await daemon.adopt_local(uid)
    return {"run": uid}
