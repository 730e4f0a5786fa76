"""Calls the hooks of a flow for the end of a run whose own process could not: in a process made for that."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tidemill.authoring.context import CURRENT_RUN
from tidemill.authoring.flows import Flow
from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.errors import TidemillError
from tidemill.domain.hooks import OWED_HOOKS
from tidemill.domain.results import ErrorInfo
from tidemill.domain.runs import RunOrder
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.flow_run import prepare
from tidemill.engine.hooks import view_run
from tidemill.engine.interrupts import Interrupt
from tidemill.engine.invoking import invoke_code
from tidemill.engine.run import Run
from tidemill.engine.run_names import name_run
from tidemill.engine.verdicts import Verdict
from tidemill.engine.warden import Call


def call_owed_hooks(flow: Flow, run: Run, order: RunOrder) -> Verdict:
    """Call the hooks that *order* asks for; the verdict is on them, and what went wrong is noted.

    Skipped, where the flow has no such hooks.
    """
    assert order.verdict is not None
    state = ReturnedState(State(order.verdict[0]), message=order.verdict[1])
    kind = OWED_HOOKS[state.kind]
    hooks = flow.options.hooks.get(kind, ())
    if not hooks:
        return Verdict(State.SKIPPED)
    parameters = _parameters(flow, order.parameters)
    run.context = run.context._replace(flow_name=flow.name, parameters=parameters, tags=flow.options.tags)
    if flow.options.run_name is not None:
        run.context = run.context._replace(name=name_run(flow.options.run_name, parameters, run))
    run.tell("-", "INFO", f"the run ended as {state.kind}: calling its {kind} hooks in a process of their own")
    CURRENT_RUN.set(run)
    errors: list[ErrorInfo] = []
    for hook in hooks:
        _, error = invoke_code(run, Call(), hook, args=(flow, view_run(run, state), state), kwargs={})
        if error is not None:
            errors.append(_note(run, f"the {kind} hook {getattr(hook, '__name__', repr(hook))}", error))
        if isinstance(error, Interrupt):
            break
    return Verdict(State.FAILED, errors[0]) if errors else Verdict(State.COMPLETED)


def _parameters(flow: Flow, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values the run had, of the types it saw; as they were given where they did not fit."""
    with suppress(TidemillError):
        return prepare(flow, given).parameters
    return dict(given)


def _note(run: Run, who: str, error: BaseException) -> ErrorInfo:
    failure = describe(error)
    if isinstance(error, Interrupt):
        run.note(f"{who} was ended: the time for hooks was over")
    else:
        run.note(f"{who} failed: {failure.line}")
    run.tell("-", "ERROR", f"{who} failed\n{failure.traceback or failure.line}")
    return failure
