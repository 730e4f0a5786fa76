"""Runs in plain Python: no daemon, no journal, results in memory for as long as the caller holds them."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tidemill.authoring.context import RunContext, with_current_tags
from tidemill.authoring.flow_options import FlowOptions
from tidemill.authoring.flow_runs import FlowRun, TaskOutcome
from tidemill.domain.errors import TidemillError
from tidemill.domain.identifiers import new_run_id
from tidemill.domain.results import ITEMS, ResultInfo
from tidemill.domain.runs import FinishedTask
from tidemill.domain.states import State
from tidemill.engine.graphs.mapped_run import item_name
from tidemill.engine.resuming import value_of
from tidemill.engine.run import Nowhere, Run
from tidemill.engine.run_names import name_run
from tidemill.engine.task_run import TaskRun
from tidemill.engine.verdicts import Verdict
from tidemill.storage.places import ResultPlace


class InMemory:
    """Keeps no results: they are in memory for as long as the caller holds them."""

    def write(self, value: Any, place: ResultPlace) -> ResultInfo | None:
        """Keep nothing."""
        return None

    def read(self, info: ResultInfo) -> Any:
        """Refuse: nothing was kept."""
        raise TidemillError("the result was not kept")

    def of_child(self, run: str) -> "InMemory":
        """Keep nothing either."""
        return self


def local_run(name: str, file: str, options: FlowOptions | None, parameters: Mapping[str, Any] | None = None) -> Run:
    """Return a run for the flow or task *name* of *file*."""
    folder = Path(file).parent if file and not file.startswith("<") else Path.cwd()
    tags = with_current_tags(options.tags if options else ())
    context = RunContext(new_run_id(), name, dict(parameters or {}), folder=folder.resolve(), tags=tags)
    run = Run(context, Nowhere(), InMemory(), max_workers=(options and options.max_workers) or 4)
    run.is_local = True
    run.use(options.task_runner if options else None)
    if options is not None and options.run_name is not None:
        run.rename(name_run(options.run_name, context.parameters, run))
    return run


def flow_run(run: Run, verdict: Verdict) -> FlowRun:
    """Return a run that has ended as the caller sees it."""
    return FlowRun(
        run_id=run.context.run_id,
        flow_name=run.context.flow_name,
        state=verdict.state,
        value=verdict.value,
        error=verdict.error,
        exception=verdict.exception,
        tasks=_outcomes(run.task_runs),
    )


def called_flow_run(task_run: TaskRun, verdict: Verdict) -> FlowRun:
    """Return the run of a flow that was called inside another one, in this attempt of it or in one before."""
    outer = task_run.run
    before = outer.earlier.get((task_run.name, task_run.occurrence))
    child = task_run.child or (before.child if before is not None else None)
    if child is not None:
        return flow_run(child, verdict)
    tasks: dict[str, TaskOutcome] = {}
    for task in outer.finished_inside((task_run.name, task_run.occurrence)):
        if not task.inside:
            name = task.name if task.occurrence == 1 else f"{task.name}-{task.occurrence}"
            read = partial(_read_finished, outer, task, tasks)
            tasks[name] = TaskOutcome(name, task.index, State.CACHED, 0, read=read)
    return FlowRun("", task_run.name, verdict.state, verdict.value, tasks=tasks)


def _read_finished(run: Run, task: FinishedTask, others: Mapping[str, TaskOutcome]) -> Any:
    if task.result is not None and task.result.handler == ITEMS:
        return [others[item_name(task.name, place)].value for place in range(int(task.result.value or 0))]
    return run.read_result(task.result, None, task.name)


def _outcomes(task_runs: Iterable[TaskRun]) -> dict[str, TaskOutcome]:
    """Return what came of task runs, by name; the second of a name is ``name-2`` and so on."""
    found: dict[str, TaskOutcome] = {}
    for task_run in task_runs:
        name, number = task_run.name, 1
        while name in found:
            number += 1
            name = f"{task_run.name}-{number}"
        found[name] = TaskOutcome(
            name=name,
            index=task_run.index,
            state=State(task_run.state),
            attempts=max(task_run.attempt, 0),
            error=task_run.failure if not task_run.state.is_success else None,
            exception=task_run.error,
            read=partial(value_of, task_run),
        )
    return found
