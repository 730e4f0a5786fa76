"""Carries out one flow of either style, and judges how it went."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tidemill.authoring.context import CURRENT_RUN, LiveRun
from tidemill.authoring.flows import Flow, FunctionFlow
from tidemill.domain.states import State
from tidemill.engine.function_run import carry_out_function
from tidemill.engine.graph import Graph, build_graph
from tidemill.engine.graph_run import GraphRun, failed
from tidemill.engine.parameters import check_parameters, flow_parameters
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun
from tidemill.engine.verdicts import Verdict, judge_interruption, summarise

if TYPE_CHECKING:
    from contextvars import Token


@dataclass(frozen=True, slots=True)
class Prepared:
    """A flow is ready to be carried out with these parameters."""

    flow: Flow
    run: Run
    graph: Graph | None
    parameters: dict[str, Any]


def prepare(flow: Flow, run: Run, given: Mapping[str, Any]) -> Prepared:
    """Build the flow's graph and convert its parameters, or refuse what cannot be run."""
    graph = None if isinstance(flow, FunctionFlow) else build_graph(flow)
    values = check_parameters(flow, flow_parameters(flow, graph), given)
    run.context = replace(run.context, flow_name=flow.name, parameters=values)
    return Prepared(flow, run, graph, values)


def carry_out(prepared: Prepared) -> Verdict:
    """Carry out a prepared flow, this thread taking part, and judge it."""
    run, flow = prepared.run, prepared.flow
    token: Token[LiveRun | None] = CURRENT_RUN.set(run)
    try:
        if isinstance(flow, FunctionFlow):
            return carry_out_function(flow, run, prepared.parameters)
        graph_run = GraphRun(run, prepared.graph or build_graph(flow), prepared.parameters)
        graph_run.carry_out()
        return judge_graph(run, graph_run.task_runs)
    finally:
        CURRENT_RUN.reset(token)


def judge_graph(run: Run, task_runs: list[TaskRun]) -> Verdict:
    """Say how a graph went: it completed when every task did."""
    interrupted = judge_interruption(run)
    if interrupted is not None:
        return interrupted
    bad = failed(task_runs)
    if not bad:
        return Verdict(State.COMPLETED)
    state = State.TIMED_OUT if all(task_run.state is State.TIMED_OUT for task_run in bad) else State.FAILED
    return Verdict(state, summarise(bad), exception=bad[0].error)
