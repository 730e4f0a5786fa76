"""tidemill: scheduled work on one machine. Everything a flow file imports, and nothing before it is used.

The command line passes through this module too, so it imports no other until a name is asked for. The types of the
names stand in the stub beside it.
"""

import sys

_HOMES = {
    "Cancelled": "engine.interrupts",
    "CloudResult": "storage.cloud",
    "Condition": "domain.conditions",
    "DatabaseResult": "storage.database",
    "Flow": "authoring.flows",
    "FlowRun": "authoring.flow_runs",
    "GiveUp": "domain.errors",
    "LocalResult": "storage.local",
    "Parameter": "authoring.parameters",
    "Retry": "domain.errors",
    "RunContext": "authoring.context",
    "ScheduleSpec": "domain.schedules",
    "Secret": "authoring.secrets",
    "SecretError": "domain.secrecy",
    "Skip": "domain.errors",
    "State": "authoring.states",
    "StateType": "authoring.states",
    "Task": "authoring.tasks",
    "TidemillError": "domain.errors",
    "Transaction": "engine.caching.transactions",
    "allow_failure": "authoring.mapping",
    "at": "domain.schedules",
    "cron": "domain.schedules",
    "current_run": "authoring.context",
    "current_task": "authoring.context",
    "every": "domain.schedules",
    "flow": "authoring.flows",
    "get_run_logger": "authoring.context",
    "tags": "authoring.tagging",
    "task": "authoring.tasks",
    "unmapped": "authoring.mapping",
}
"""Where each name lives, below this package."""
_MODULES = (
    *("cache_policies", "client", "concurrency", "context", "exceptions", "filesystems", "flows", "futures"),
    *("locking", "logging", "results", "runtime", "schedules", "serializers", "states", "task_runners", "tasks"),
    *("testing", "transactions", "utilities"),
)
"""Modules of the façade, which are here without an import of their own."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Import a name of the façade when it is first asked for."""
    if name == "__version__":
        return _import("domain.version").VERSION
    if name in _MODULES:
        return _import(name)
    home = _HOMES.get(name)
    if home is None:
        return _import("authoring.unsupported").missing_from(__name__)(name)
    if home.startswith("authoring."):
        _import("authoring.calling").install(_load_engine)
    value = getattr(_import(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Show the façade's names to people who explore it."""
    return sorted({*globals(), *_HOMES})


class _Behind:
    """Stands behind all other finders of modules; what they all missed may have a reason to be missing."""

    @staticmethod
    def find_spec(name, path=None, target=None) -> None:  # noqa: ANN001
        if name.startswith(__name__ + "."):
            _import("authoring.unsupported").refuse(name)


sys.meta_path.append(_Behind)


def _load_engine():  # noqa: ANN202 - typed where it is used
    return _import("engine.calls.calling").InPlace()


def _import(home):  # noqa: ANN001, ANN202
    module = f"{__name__}.{home}"
    __import__(module)
    return sys.modules[module]
