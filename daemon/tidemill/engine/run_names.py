"""Formats the names that authors give to runs and task runs: ``load-{day}``, or what a function returns."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK
from tidemill.authoring.tasks import definition_of, signature_of
from tidemill.domain.secrecy import hide
from tidemill.engine.run import Run

if TYPE_CHECKING:
    from tidemill.engine.task_run import TaskRun

_LIMIT = 200


def name_task_run(task_run: "TaskRun") -> str | None:
    """Return the task run's own name, over its arguments; None, with a line in the log, when it cannot be made."""
    return _formatted(task_run.options.run_name, lambda: arguments_of(task_run), task_run.run, task_run)


def name_run(template: Any, parameters: Mapping[str, Any], run: Run) -> str | None:
    """Return the run's own name, over its parameters; None, with a line in the log, when it cannot be made."""
    return _formatted(template, lambda: dict(parameters), run, None)


def arguments_of(task_run: "TaskRun") -> dict[str, Any]:
    """Return what the task is called with, by name, defaults and the instance of a method included."""
    import inspect

    # What is called may be more than the task's own work: its setup and teardown around it.
    raw = inspect.signature(task_run.fn) if task_run.task is None else signature_of(task_run.task).raw
    try:
        bound = raw.bind_partial(*task_run.args, **task_run.kwargs)
    except TypeError:
        # The call itself will say what is wrong with them.
        return dict(task_run.kwargs)
    bound.apply_defaults()
    return {**_instance_of(task_run.task), **bound.arguments}


def _instance_of(task: Any) -> dict[str, Any]:
    """Return the instance that a method works on, by the name that the method has for it."""
    definition = None if task is None else definition_of(task)
    if definition is None or definition.owner is None or definition.owner is task or definition.function is None:
        return {}
    code = getattr(definition.function, "__code__", None)
    return {code.co_varnames[0]: definition.owner} if code is not None and code.co_argcount else {}


def _formatted(template: Any, values: Any, run: Run, task_run: "TaskRun | None") -> str | None:
    try:
        made = _called(template, values, run, task_run) if callable(template) else template.format(**values())
    except Exception as error:
        task = "-" if task_run is None else task_run.name
        run.tell(task, "WARNING", f"the run's name {template!r} cannot be made: {type(error).__name__}: {error}")
        return None
    text = hide(" ".join(str(made).split()))
    return text[:_LIMIT] or None


def _called(template: Any, values: Any, run: Run, task_run: "TaskRun | None") -> Any:
    """Call a function for the name; it may ask about the run and the task run that it is to name."""
    import inspect

    takes_parameters = "parameters" in inspect.signature(template).parameters
    run_token, task_token = CURRENT_RUN.set(run), CURRENT_TASK.set(task_run)
    try:
        return template(parameters=values()) if takes_parameters else template()
    finally:
        CURRENT_TASK.reset(task_token)
        CURRENT_RUN.reset(run_token)
