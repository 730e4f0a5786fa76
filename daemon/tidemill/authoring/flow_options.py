"""The options of a flow: which there are, and what each may be."""

import inspect
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tidemill.authoring.hooks import FLOW_HOOKS, NO_HOOKS, Hook, parse_hooks
from tidemill.authoring.keeping import BY_DEFAULT, Keeping, parse_keeping
from tidemill.authoring.limits import parse_limits
from tidemill.authoring.naming import did_you_mean
from tidemill.authoring.options import check_names, parse_run_name, parse_tags
from tidemill.authoring.retries import count, parse_retries, seconds
from tidemill.domain.errors import DefinitionError
from tidemill.domain.outcomes import Catchup, Overlap
from tidemill.domain.retries import NO_RETRIES, RetryPolicy
from tidemill.domain.schedules import ScheduleSpec, cron, every

NAMES: Final = (
    "description",
    "tags",
    "version",
    "schedule",
    "schedules",
    "parameters",
    "catchup",
    "grace",
    "overlap",
    "max_active_runs",
    "max_workers",
    "limits",
    "timeout",
    "timeout_seconds",
    "priority",
    "retry",
    "retry_kwargs",
    "retries",
    "retry_delay_seconds",
    "retry_jitter_factor",
    "retry_condition_fn",
    "result_handler",
    "result_storage",
    "result_serializer",
    "result_storage_key",
    "persist_result",
    "cache_result_in_memory",
    "flow_run_name",
    "task_runner",
    "validate_parameters",
    "log_prints",
    *FLOW_HOOKS,
)


class FlowOptions(NamedTuple):
    """When and how a flow is run. Durations are seconds."""

    description: str = ""
    tags: tuple[str, ...] = ()
    version: str | None = None
    schedules: tuple[ScheduleSpec, ...] = ()
    parameters: Mapping[str, Any] = MappingProxyType({})
    """Values for parameters that a run does not give."""
    catchup: str = Catchup.LATEST
    grace: float | None = None
    overlap: str = Overlap.SKIP
    max_active_runs: int | None = None
    max_workers: int | None = None
    limits: Mapping[str, float] = MappingProxyType({})
    """What one run may take of the machine: ``{"memory": "512MB", "cpu": 60}``."""
    timeout: float | None = None
    priority: int = 0
    retry: RetryPolicy = NO_RETRIES
    keeping: Keeping = BY_DEFAULT
    """Where what a function flow returns goes; the history by default."""
    run_name: Any = None
    """A template of the run's name over its parameters, or a function that returns one."""
    task_runner: Any = None
    """Where submitted tasks are executed; None: in threads of the run process."""
    hooks: Mapping[str, tuple[Hook, ...]] = NO_HOOKS
    validate_parameters: bool = True


def parse_flow_options(options: Mapping[str, Any], owner: str, description: str | None) -> FlowOptions:
    """Return the options of the flow called *owner*, or refuse what is not one."""
    check_names(options, NAMES, owner)
    policy, timeout = parse_retries(options, owner)
    for name in ("timeout", "timeout_seconds"):
        if options.get(name) is not None:
            timeout = seconds(options[name], f"{name} of {owner}") or None
    parameters = options.get("parameters")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise DefinitionError(f"parameters of {owner} must be a dict; they are {parameters!r}")
    return FlowOptions(
        description=_cleaned(options.get("description") or description),
        tags=parse_tags(options.get("tags"), owner),
        version=None if options.get("version") is None else str(options["version"]),
        schedules=parse_schedules(options.get("schedule"), options.get("schedules"), owner),
        parameters=dict(parameters or {}),
        catchup=_choice(options.get("catchup"), Catchup, Catchup.LATEST, f"catchup of {owner}"),
        grace=None if options.get("grace") is None else seconds(options["grace"], f"grace of {owner}"),
        overlap=_choice(options.get("overlap"), Overlap, Overlap.SKIP, f"overlap of {owner}"),
        max_active_runs=_at_least_one(options.get("max_active_runs"), f"max_active_runs of {owner}"),
        max_workers=_at_least_one(options.get("max_workers"), f"max_workers of {owner}"),
        limits=parse_limits(options.get("limits"), owner),
        timeout=timeout,
        priority=_whole(options.get("priority"), f"priority of {owner}"),
        retry=policy,
        keeping=parse_keeping(options, owner),
        run_name=parse_run_name(options.get("flow_run_name"), f"flow_run_name of {owner}"),
        task_runner=_task_runner(options.get("task_runner"), owner),
        hooks=parse_hooks(options, FLOW_HOOKS, owner),
        validate_parameters=options.get("validate_parameters") is not False,
    )


def parse_schedules(one: Any, several: Any, owner: str) -> tuple[ScheduleSpec, ...]:
    """Return the schedules given as ``schedule=`` or ``schedules=``, one or several in either; each once."""
    given: list[Any] = []
    for value in (one, several):
        if value is None:
            continue
        given += value if isinstance(value, list | tuple) else [value]
    schedules: list[ScheduleSpec] = []
    for value in given:
        schedule = _schedule(value, owner)
        if schedule not in schedules:
            schedules.append(schedule)
    return tuple(schedules)


def _schedule(value: Any, owner: str) -> ScheduleSpec:
    if isinstance(value, ScheduleSpec):
        return value
    if isinstance(value, str):
        return cron(value)
    if isinstance(value, timedelta):
        return every(seconds=value.total_seconds())
    raise DefinitionError(f"a schedule of {owner} must be cron(…), every(…) or at(…); it is {value!r}")


def _task_runner(value: Any, owner: str) -> Any:
    runner = value() if isinstance(value, type) else value
    if runner is None or callable(getattr(runner, "open", None)):
        return runner
    raise DefinitionError(
        f"task_runner of {owner} must be a task runner such as ThreadPoolTaskRunner(); it is {value!r}"
    )


def _cleaned(text: Any) -> str:
    return inspect.cleandoc(str(text)) if text else ""


def _choice(value: Any, known: Iterable[str], default: str, what: str) -> str:
    if value is None:
        return str(default)
    names = [str(name) for name in known]
    if value not in names:
        raise DefinitionError(f"{what} cannot be {value!r}{did_you_mean(str(value), names)}")
    return str(value)


def _at_least_one(value: Any, what: str) -> int | None:
    if value is None:
        return None
    if count(value, what) == 0:
        raise DefinitionError(f"{what} must be 1 or more")
    return int(value)


def _whole(value: Any, what: str) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise DefinitionError(f"{what} must be a whole number; it is {value!r}")
    return value
