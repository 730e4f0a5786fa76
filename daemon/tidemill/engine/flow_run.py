"""Carries out one flow of either style: its body is called, again where its own retries say so, and judged."""

import inspect
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tidemill.authoring.flows import Flow, FunctionFlow
from tidemill.authoring.keeping import BY_DEFAULT
from tidemill.domain.errors import ParameterError
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.files.parameters import check_parameters, flow_parameters, with_defaults
from tidemill.engine.flow_judging import judge_flow
from tidemill.engine.graphs.graph import Graph, build_graph
from tidemill.engine.graphs.graph_run import GraphRun
from tidemill.engine.hooks import call_flow_hooks
from tidemill.engine.invocation import Invocation, Steps, carry
from tidemill.engine.run import Run
from tidemill.engine.task_run import claim_slots
from tidemill.engine.verdicts import Verdict, judge_interruption, returned_state
from tidemill.limits.here import HERE

if TYPE_CHECKING:
    from tidemill.engine.retrying import Retries
    from tidemill.engine.slots import Claim


class Prepared(NamedTuple):
    """A flow is ready to be carried out with these parameters."""

    flow: Flow
    graph: Graph | None
    parameters: dict[str, Any]
    refusal: ParameterError | None = None
    """Why it cannot be carried out with them."""


def prepare(flow: Flow, given: Mapping[str, Any]) -> Prepared:
    """Build the flow's graph and convert its parameters, or refuse what cannot be run."""
    graph = None if isinstance(flow, FunctionFlow) else build_graph(flow)
    asked = flow_parameters(flow, graph)
    values = check_parameters(flow, asked, given)
    if isinstance(flow, FunctionFlow):
        values = with_defaults(flow, values)
    return Prepared(flow, graph, values)


def prepare_call(flow: Flow, given: Mapping[str, Any]) -> Prepared:
    """Do the same for a call whose parameters may be wrong: that is how the run ends, then."""
    try:
        return prepare(flow, given)
    except ParameterError as error:
        return Prepared(flow, None, dict(given), error)


class FlowCall(Invocation):
    """A flow is being carried out."""

    __slots__ = ("_prepared", "retries", "since", "verdict")

    def __init__(self, prepared: Prepared, run: Run, timeout: float | None = None) -> None:
        super().__init__(run, prepared.flow.__class__, timeout)
        self._prepared = prepared
        run.flow, run.keeping = prepared.flow, prepared.flow.options.keeping
        self.retries: Retries | None = None
        self.since = run.now()
        self.verdict = Verdict(State.CANCELLED)
        if run.parent is not None and run.context.tags and HERE.place is not None:
            self.claim = claim_slots(run, run.context.tags, f"flow {self.flow.name}")

    @property
    def flow(self) -> Flow:
        """The flow."""
        return self._prepared.flow

    def begin(self) -> Steps:
        """Return the steps from its first attempt to its end."""
        run, flow, refusal = self.run, self.flow, self._prepared.refusal
        if refusal is not None:
            error = describe(refusal)._replace(traceback=None)
            self.verdict = Verdict(State.FAILED, error, exception=refusal)
            return
        if self.claim is not None:
            yield from self._take_slots(self.claim)
        if "on_running" in flow.options.hooks:
            call_flow_hooks(flow, run, returned_state(Verdict(State.RUNNING), run))
        while True:
            graph_run = self._aim()
            if flow.options.retry.before is not None:
                _attempts().begin_attempt(self)
            yield None if graph_run is None else partial(self._carry_graph, graph_run)
            if run.futures:
                yield partial(_settle, run)
            if run.keeping is BY_DEFAULT:
                self._judge(graph_run)
            else:
                yield partial(self._judge, graph_run)
            delay = None if self.verdict.state.is_success else _attempts().next_attempt(self, graph_run)
            if delay is None:
                return
            self._release_slots()
            yield delay
            if self.claim is not None:
                yield from self._take_slots(self.claim)
            run.begin_again()

    def abandon(self, late: BaseException | None = None) -> None:
        """Come to an end between two steps; *late* is what tore the engine out of one."""
        self.verdict = judge_interruption(self.run) or Verdict(State.CANCELLED, exception=late)
        self._release_slots()

    def expire(self, warden: Any) -> None:
        """Come to an end, with everything it has begun: its time is up."""
        self.run.expire()

    def conclude(self) -> Verdict:
        """Return how it went, when everybody who wanted to know of it has been told."""
        flow, verdict = self.flow, self.verdict
        if flow.options.hooks:
            call_flow_hooks(flow, self.run, returned_state(verdict, self.run))
        self._release_slots()
        return verdict

    def _take_slots(self, claim: "Claim") -> Steps:
        """Have the slots that the flow's tags ask for: while it waits for its next attempt others may have them."""
        if not claim.is_met:
            yield from claim.wait()
        self.run.grips = claim.grips

    def _release_slots(self) -> None:
        if self.claim is not None:
            self.claim.release()

    def _aim(self) -> GraphRun | None:
        """Say what is to be called."""
        flow, parameters = self.flow, self._prepared.parameters
        if isinstance(flow, FunctionFlow):
            arguments = arrange(flow, parameters)
            self.fn, self.args, self.kwargs = flow.fn, arguments.args, arguments.kwargs
            return None
        return GraphRun(self.run, self._prepared.graph or build_graph(flow), parameters)

    def _carry_graph(self, graph_run: GraphRun) -> None:
        """Carry out a graph; it is the engine's own code, which no interrupt tears out of its work."""
        unwatch = None if self.timeout is None else self.run.warden.watch(self, self.timeout)
        self.error = None
        try:
            graph_run.carry_out()
        except Exception as error:
            self.error = error
        if unwatch is not None:
            unwatch()

    def _judge(self, graph_run: GraphRun | None) -> None:
        self.verdict = judge_flow(self, graph_run)
        if self.flow.options.retry.on_value is not None and graph_run is None and self.verdict.state.is_success:
            self.verdict = _attempts().judge_by_condition(self)


def _attempts() -> Any:
    """Return what decides about further attempts; most flows succeed at the first."""
    from tidemill.engine import flow_attempts

    return flow_attempts


def carry_out(prepared: Prepared, run: Run, claim: "Claim | None" = None) -> Verdict:
    """Carry out a prepared flow, this thread taking part, and judge it; *claim* is what it holds for its tags."""
    call = FlowCall(prepared, run)
    call.claim = claim
    carry(call)
    return call.conclude()


def arrange(flow: FunctionFlow, parameters: Mapping[str, Any]) -> inspect.BoundArguments:
    """Return the values as the arguments of the flow's function."""
    raw = flow.signature.raw
    arguments: OrderedDict[str, Any] = OrderedDict()
    rest = dict(parameters)
    for name, parameter in raw.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments[name] = rest
        elif name in rest:
            arguments[name] = rest.pop(name)
    return inspect.BoundArguments(raw, arguments)


def _settle(run: Run) -> None:
    """Wait for everything that was submitted, without taking notice of how it ends."""
    for future in run.futures:
        looked_at = future.looked_at
        future.wait()
        future.looked_at = looked_at
