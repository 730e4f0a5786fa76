"""The verbs of the control socket, one file each: check, act, answer."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.service.daemon import Daemon
from tidemill.service.handlers import (
    adopt,
    backfill,
    cancel,
    pause,
    ping,
    prune,
    reload,
    resume,
    retry,
    run,
    status,
    stop,
    wait,
)

Answer = Callable[[Daemon, Request], Awaitable[Message]]

VERBS: Final[Mapping[str, Answer]] = {
    "adopt": adopt.answer,
    "backfill": backfill.answer,
    "cancel": cancel.answer,
    "pause": pause.answer,
    "ping": ping.answer,
    "prune": prune.answer,
    "reload": reload.answer,
    "resume": resume.answer,
    "retry": retry.answer,
    "run": run.answer,
    "status": status.answer,
    "stop": stop.answer,
    "wait": wait.answer,
}
