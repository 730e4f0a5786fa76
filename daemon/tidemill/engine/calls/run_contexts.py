"""What user code may ask about its run under Prefect's names: ``get_run_context()`` and ``tidemill.runtime``."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK
from tidemill.authoring.run_views import FlowRunView, TaskRunView
from tidemill.authoring.states import State, StateType
from tidemill.domain.errors import TidemillError
from tidemill.engine.hooks import view_run, view_task_run
from tidemill.engine.run import Run
from tidemill.engine.run_names import arguments_of
from tidemill.engine.runners.facts import RunFacts, TaskFacts
from tidemill.engine.task_run import TaskRun


class MissingContextError(TidemillError):
    """Raised where something is asked about a run and none is going on."""


@dataclass(frozen=True, slots=True)
class FlowRunContext:
    """The code is part of a flow's run."""

    flow_run: FlowRunView
    parameters: dict[str, Any]
    start_time: datetime | None = None
    flow: Any = None

    @classmethod
    def get(cls) -> Self | None:
        """Return the context; None outside of runs."""
        run = _run()
        if run is None:
            return None
        view = view_run(run, State(StateType.RUNNING))
        return cls(view, run.context.parameters, view.start_time, run.flow)


@dataclass(frozen=True, slots=True)
class TaskRunContext:
    """The code is part of a task's run."""

    task_run: TaskRunView
    task: Any
    parameters: dict[str, Any]
    start_time: datetime | None = None

    @property
    def task_run_id(self) -> str:
        """The id of the task run."""
        return self.task_run.id

    @property
    def flow_run_id(self) -> str:
        """The id of the run that the task is part of."""
        return self.task_run.flow_run_id

    @classmethod
    def get(cls) -> Self | None:
        """Return the context; None in a flow's own body and outside of runs."""
        task_run = CURRENT_TASK.get()
        if not isinstance(task_run, TaskRun):
            return None
        view = view_task_run(task_run)
        return cls(view, task_run.task, arguments_of(task_run), view.start_time)


def get_run_context() -> FlowRunContext | TaskRunContext:
    """Return the context of the task, else of the flow, that the code is part of. Raises MissingContextError."""
    context = TaskRunContext.get() or FlowRunContext.get()
    if context is None:
        raise MissingContextError("no run is going on here: get_run_context() answers inside a flow or a task")
    return context


_OF_FLOW_RUN: Final = {
    "id": lambda run: run.context.run_id,
    "name": lambda run: run.context.name or run.context.run_id,
    "flow_name": lambda run: run.context.flow_name,
    "flow_version": lambda run: None if run.flow is None else run.flow.options.version,
    "parameters": lambda run: run.context.parameters,
    "tags": lambda run: list(run.context.tags),
    "scheduled_start_time": lambda run: view_run(run).expected_start_time,
    "run_count": lambda run: run.context.attempt,
    "parent_flow_run_id": lambda run: run.context.parent,
    "root_flow_run_id": lambda run: _root(run).context.run_id,
    "parent_deployment_id": lambda run: None,
    "api_url": lambda run: None,
    "ui_url": lambda run: None,
    "job_variables": lambda run: {},
}
_OF_TASK_RUN: Final = {
    "id": lambda task_run: view_task_run(task_run).id,
    "name": lambda task_run: task_run.run_name or task_run.name,
    "task_name": lambda task_run: task_run.name,
    "parameters": arguments_of,
    "tags": lambda task_run: list(task_run.options.tags),
    "run_count": lambda task_run: task_run.attempt,
    "api_url": lambda task_run: None,
    "ui_url": lambda task_run: None,
}
_EMPTY: Final[dict[str, Any]] = {"parameters": {}, "tags": [], "run_count": 0, "job_variables": {}}


FACTS_OF_FLOW_RUN: Final = sorted(_OF_FLOW_RUN)
FACTS_OF_TASK_RUN: Final = sorted(_OF_TASK_RUN)


def describe_flow_run(name: str) -> Any:
    """Return the fact *name* about the run the code is part of; nothing outside of runs."""
    return _described(name, _OF_FLOW_RUN, _run(), "flow_run")


def describe_task_run(name: str) -> Any:
    """Return the fact *name* about the task run the code is part of; nothing outside of tasks."""
    task_run = CURRENT_TASK.get()
    return _described(name, _OF_TASK_RUN, task_run if isinstance(task_run, TaskRun) else None, "task_run")


def _described(name: str, known: dict[str, Any], subject: Any, module: str) -> Any:
    if name not in known:
        raise AttributeError(f"{module} has no fact {name!r}; known are {', '.join(sorted(known))}")
    if subject is not None:
        return known[name](subject)
    return datetime.now(UTC) if name == "scheduled_start_time" else _EMPTY.get(name)


def _run() -> Run | None:
    task_run = CURRENT_TASK.get()
    run = task_run.run if isinstance(task_run, TaskRun) else CURRENT_RUN.get()
    return run if isinstance(run, Run) else None


def _root(run: Run) -> Run:
    while run.parent is not None:
        run = run.parent
    return run


class _Carried:
    """A function together with the run it is to be part of, wherever it is called."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn
        run, task = _run(), CURRENT_TASK.get()
        self._run = None if run is None else RunFacts(run.context)
        self._task = None if task is None else TaskFacts(task.name, task.index, task.attempt)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run, task = CURRENT_RUN.set(self._run), CURRENT_TASK.set(self._task)
        try:
            return self._fn(*args, **kwargs)
        finally:
            CURRENT_RUN.reset(run)
            CURRENT_TASK.reset(task)


def with_context(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return *fn* as part of this run, for a pool of threads or processes of the author's own."""
    return _Carried(fn)
