"""A run process from its first event to its last: what the fork server's child and ``python -m tidemill.engine`` do."""

import _thread
import faulthandler
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.authoring.calling import install
from tidemill.authoring.context import RunContext
from tidemill.authoring.flows import Flow
from tidemill.authoring.naming import did_you_mean
from tidemill.domain.errors import DefinitionError, FlowFileError, NotFound, TidemillError
from tidemill.domain.events import RunEnded, RunStarted, TaskEnded
from tidemill.domain.results import ErrorInfo
from tidemill.domain.runs import CRASH_HOOKS, RUN, RunOrder
from tidemill.domain.states import State
from tidemill.engine.calls.calling import InPlace
from tidemill.engine.capture import Capture
from tidemill.engine.failures import describe
from tidemill.engine.files.collecting import collect
from tidemill.engine.files.loading import load_file
from tidemill.engine.flow_run import carry_out, prepare_call
from tidemill.engine.interrupts import Cancelled
from tidemill.engine.invoking import invoke_code
from tidemill.engine.run import Nowhere, Run
from tidemill.engine.run_log import RunLog
from tidemill.engine.run_names import name_run
from tidemill.engine.spawned import prepare_children
from tidemill.engine.threads import adopt_threads
from tidemill.engine.verdicts import Verdict, judge_interruption
from tidemill.engine.warden import IGNORE, Call, set_handler
from tidemill.journal.orders import told
from tidemill.journal.processes import boot_id, start_time
from tidemill.journal.writer import JournalWriter
from tidemill.limits.here import HERE
from tidemill.storage.history import HistoryResult

if TYPE_CHECKING:
    from tidemill.engine.slots import Claim


def main(order: RunOrder, journal_fd: int, log_fd: int, hint_fd: int | None, *, terminal: bool = False) -> State:
    """Carry out *order* in this process, and return how the run ended; its journal tells the rest."""
    journal = JournalWriter(journal_fd, hint_fd)
    log = RunLog(log_fd, order.log_limit)
    capture = Capture(log, terminal=terminal)
    capture.install()
    with suppress(RuntimeError, ValueError, OSError):
        faulthandler.enable(log_fd)
    run = _open_run(order, journal, log_fd)
    run.tell = capture.tell
    pid = os.getpid()
    journal.write(RunStarted(run.now(), pid, start_time(pid) or 0, boot_id()))
    if order.purpose == RUN:
        journal.write(told(order, run.now()))
    _listen_for_cancel(run)
    if order.remark:
        run.note(order.remark)
    _restrain(run, order.restraints, is_grouped=bool(order.cgroup))
    try:
        verdict = _carry_out(order, run)
    except BaseException as error:
        verdict = Verdict(State.FAILED, describe(error), exception=error)
    if os.getpid() != pid:
        # A copy that user code forked and let run on: the run is not its to end.
        os._exit(0)
    set_handler(signal.SIGTERM, IGNORE)
    run.close()
    capture.finish()
    run.sink.write(RunEnded(run.now(), verdict.state.value, verdict.error, verdict.result))
    if terminal and verdict.state is not State.COMPLETED and sys.__stderr__ is not None:
        reason = f": {verdict.error.line}" if verdict.error else ""
        sys.__stderr__.write(f"{run.context.flow_name or order.path} {verdict.state}{reason}\n")
    return verdict.state


def _open_run(order: RunOrder, journal: JournalWriter, log_fd: int) -> Run:
    install(InPlace)
    context = RunContext(
        run_id=order.run,
        flow_name=order.flow,
        parameters=dict(order.parameters),
        attempt=order.attempt,
        scheduled_for=datetime.fromisoformat(order.scheduled_for) if order.scheduled_for else None,
        trigger=order.trigger,
        folder=Path(order.path).parent,
    )
    keeper = HistoryResult(order.results_dir)
    run = Run(
        context,
        journal,
        keeper,
        max_workers=order.max_workers,
        finished=order.resume,
        stuck=_end_group,
        last_resort=log_fd,
    )
    run.cache_dir = order.cache_dir
    return run


def _carry_out(order: RunOrder, run: Run) -> Verdict:
    for name, value in order.environment.items():
        os.environ[name] = value
    prepare_children(order)
    adopt_threads()
    with suppress(OSError):
        # Relative paths in a flow are relative to its file.
        os.chdir(os.path.dirname(order.path))  # noqa: PTH120 - a Path here costs more than the call
    if order.finished:
        from tidemill.journal.finished import take_finished

        run.resume(take_finished(Path(order.finished)))
    run.warden.open()
    if order.timeout is not None:
        run.warden.at(order.timeout, run.expire)
    flow, error = invoke_code(run, Call(), _load_flow, args=(order,), kwargs={})
    interrupted = judge_interruption(run)
    if interrupted is not None:
        return interrupted
    if isinstance(error, FlowFileError | NotFound | DefinitionError):
        return Verdict(State.FAILED, describe(error.__cause__ or error)._replace(message=str(error)))
    if error is not None:
        raise error
    if order.purpose == CRASH_HOOKS:
        from tidemill.engine.owed_hooks import call_owed_hooks

        return call_owed_hooks(flow, run, order)
    _restrain(run, flow.options.limits)  # which nobody knew of a file that is run in a terminal
    if not order.flow:
        run.context = run.context._replace(flow_name=flow.name)
        run.note(f"flow {flow.name}")
    try:
        prepared = prepare_call(flow, order.parameters)
    except TidemillError as error:
        return Verdict(State.FAILED, ErrorInfo(type(error).__name__, str(error)))
    run.context = run.context._replace(flow_name=flow.name, parameters=prepared.parameters, tags=flow.options.tags)
    if prepared.refusal is not None:
        return carry_out(prepared, run)
    run.use(flow.options.task_runner)
    HERE.use(order.limits_dir, order.run, flow.name)
    claim = _claim_slots(order, run, flow) if flow.options.tags and HERE.place is not None else None
    if run.interruption is not None:
        return judge_interruption(run) or Verdict(State.CANCELLED)
    if flow.options.run_name is not None:
        run.rename(name_run(flow.options.run_name, prepared.parameters, run))
    if order.timeout is None and flow.options.timeout is not None:
        run.warden.at(flow.options.timeout, run.expire)
    return carry_out(prepared, run, claim)


def _restrain(run: Run, limits: Mapping[str, float], *, is_grouped: bool = False) -> None:
    if not limits:
        return
    from tidemill.engine.restraining import restrain

    is_changed = restrain(limits, is_grouped=is_grouped)
    if is_changed and not is_grouped and "processes" in limits and os.geteuid() == 0:
        run.note("the limit on processes does not bind root: the kernel lets root make any number")


def _claim_slots(order: RunOrder, run: Run, flow: Flow) -> "Claim":
    """Wait for a slot of each limit among the flow's tags, unless the run is interrupted before."""
    from tidemill.engine.slots import Claim

    claim = Claim(run, flow.options.tags, is_expected=order.is_admitted)
    for turn in claim.wait():
        if not run.pause(turn):
            break
    return claim


def _load_flow(order: RunOrder) -> Flow:
    return choose_flow(collect(load_file(order.path, order.root, order.sources, trust=order.trust)).flows, order.flow)


def choose_flow(flows: list[Flow], name: str) -> Flow:
    """Return the flow called *name*, or the only one when no name is given."""
    names = [flow.name for flow in flows]
    if not name:
        if len(flows) == 1:
            return flows[0]
        if not flows:
            raise NotFound("the file declares no flow and no task")
        raise NotFound(f"the file declares several flows: {', '.join(names)}; name one with FILE:FLOW")
    for flow in flows:
        if flow.name == name:
            return flow
    raise NotFound(f"the file declares no flow called {name!r}{did_you_mean(name, names)}")


def _listen_for_cancel(run: Run) -> None:
    owner = os.getpid()

    def on_signal(number: int, _: Any) -> None:
        if os.getpid() != owner:
            # A child that user code forked inherits this handler, but the signal is meant for itself.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        # Not here: the main thread may hold any of the engine's locks at this moment.
        _thread.start_new_thread(run.cancel, ())

    set_handler(signal.SIGTERM, on_signal)
    set_handler(signal.SIGINT, on_signal)


def _end_group(run: Run, call: Call) -> None:
    """Record the verdict on code that no exception can reach, and end the process with all its children."""
    with run.lock:
        whole = run.interruption
        now = run.now()
        # What other threads still have to say comes too late.
        sink, run.sink = run.sink, Nowhere()
        for task_run in run.task_runs:
            if not task_run.has_ended:
                overdue = task_run is call and whole is not Cancelled
                state = State.TIMED_OUT if overdue else State.CANCELLED
                error = (
                    ErrorInfo("TimeoutError", f"task {task_run.name} was killed: its time-out passed")
                    if overdue
                    else None
                )
                sink.write(
                    TaskEnded(
                        now, task_run.index, task_run.name, state.value, task_run.attempt, task_run.started_at, error
                    )
                )
        if whole is Cancelled:
            sink.write(RunEnded(now, State.CANCELLED.value, is_unhooked=True))
        else:
            message = "the run was killed: its code did not end when its time-out passed"
            sink.write(RunEnded(now, State.TIMED_OUT.value, ErrorInfo("TimeoutError", message), is_unhooked=True))
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)
