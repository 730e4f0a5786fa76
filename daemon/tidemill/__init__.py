"""tidemill: scheduled work on one machine. Everything a flow file imports, and nothing before it is used.

The command line passes through this module too, so it imports no other until a name is asked for.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tidemill.authoring.context import RunContext, current_run, current_task, get_run_logger
    from tidemill.authoring.flow_runs import FlowRun
    from tidemill.authoring.flows import Flow, flow
    from tidemill.authoring.tasks import Task, task
    from tidemill.domain.errors import GiveUp, Retry, TidemillError
    from tidemill.domain.schedules import ScheduleSpec, at, cron, every
    from tidemill.domain.states import State
    from tidemill.engine.interrupts import Cancelled
    from tidemill.engine.results import LocalResult

__all__ = [
    "Cancelled",
    "Flow",
    "FlowRun",
    "GiveUp",
    "LocalResult",
    "Retry",
    "RunContext",
    "ScheduleSpec",
    "State",
    "Task",
    "TidemillError",
    "at",
    "cron",
    "current_run",
    "current_task",
    "every",
    "flow",
    "get_run_logger",
    "task",
]

_HOMES: Final = {
    "Cancelled": "engine.interrupts",
    "Flow": "authoring.flows",
    "FlowRun": "authoring.flow_runs",
    "GiveUp": "domain.errors",
    "LocalResult": "engine.results",
    "Retry": "domain.errors",
    "RunContext": "authoring.context",
    "ScheduleSpec": "domain.schedules",
    "State": "domain.states",
    "Task": "authoring.tasks",
    "TidemillError": "domain.errors",
    "at": "domain.schedules",
    "cron": "domain.schedules",
    "current_run": "authoring.context",
    "current_task": "authoring.context",
    "every": "domain.schedules",
    "flow": "authoring.flows",
    "get_run_logger": "authoring.context",
    "task": "authoring.tasks",
}
"""Where each name lives, below this package."""


def __getattr__(name: str) -> Any:
    """Import a name of the façade when it is first asked for."""
    if name == "__version__":
        from tidemill.domain.version import VERSION

        return VERSION
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    if home.startswith("authoring."):
        from tidemill.authoring.calling import install

        install(_load_engine)
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Show the façade's names to people who explore it."""
    return sorted({*globals(), *__all__})


def _load_engine() -> Any:
    from tidemill.engine.calling import InPlace

    return InPlace()
