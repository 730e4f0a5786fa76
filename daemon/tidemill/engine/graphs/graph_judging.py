"""Says how a graph went, by what became of its tasks."""

from collections.abc import Sequence
from typing import Final

from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.engine.graphs.graph import Graph
from tidemill.engine.task_run import TaskRun
from tidemill.engine.verdicts import Verdict, summarise

_OWN: Final = (State.FAILED, State.TIMED_OUT)


def judge_graph(graph: Graph, task_runs: Sequence[TaskRun]) -> Verdict:
    """Say how a graph went whose tasks have ended.

    It failed when a task did, whatever handled that; skipped tasks are no failure. Where the flow names reference
    tasks, only they count, and one that was not run because of a failure counts as failed.
    """
    counted, kinds = task_runs, set(_OWN)
    if graph.references:
        counted, kinds = [task_runs[index] for index in graph.references], {*_OWN, State.UPSTREAM_FAILED}
    # Those that failed by themselves tell more than those that were not run.
    bad = sorted((one for one in counted if one.state in kinds), key=lambda one: one.state not in _OWN)
    if bad:
        state = State.TIMED_OUT if all(one.state is State.TIMED_OUT for one in bad) else State.FAILED
        return Verdict(state, summarise(bad), exception=bad[0].error)
    cancelled = [one for one in counted if one.state is State.CANCELLED]
    if cancelled:
        return Verdict(State.CANCELLED, ErrorInfo("Cancelled", f"task {cancelled[0].name} was cancelled"))
    return Verdict(State.COMPLETED)
