"""The code of a class of tasks that has a ``setup`` or a ``teardown`` around its work."""

import types
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from tidemill.authoring.context import CURRENT_RUN, get_run_logger
from tidemill.authoring.tasks import Task, definition_of
from tidemill.domain.errors import DefinitionError
from tidemill.engine.failures import describe
from tidemill.engine.invoking import ASYNC, kind_of
from tidemill.engine.run import Run


class Staged:
    """Calls a task's ``setup``, its work and, when the setup was done, its ``teardown``, all in the same attempt.

    Each call has an instance of its own, a shallow copy: the items of a mapped task run beside each other. Any of the
    three may be async; then all of them run in one event loop.
    """

    def __init__(self, task: Task) -> None:
        kinds = [kind_of(getattr(task, name, None)) for name in ("setup", "teardown")] + [kind_of(task.fn)]
        if not {0, ASYNC}.issuperset(kinds):
            raise DefinitionError(
                f"task {task.name} yields its values, and its teardown would be called before they are taken:"
                " let it return a list"
            )
        self._task = task
        self._is_async = ASYNC in kinds

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do all of it, and return what the work returned."""
        stages = self._stages(args, kwargs)
        if self._is_async:
            return stages
        try:
            stages.send(None)
        except StopIteration as done:
            return done.value
        raise TypeError(f"task {self._task.name} awaits something outside of an async method")

    async def _stages(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        own, work = _instance(self._task)
        setup, teardown = getattr(own, "setup", None), getattr(own, "teardown", None)
        if setup is not None:
            await _settled(setup())
        try:
            return await _settled(work(*args, **kwargs))
        finally:
            if teardown is not None:
                await _tear_down(teardown, self._task.name)


async def _tear_down(teardown: Callable[[], Any], name: str) -> None:
    """Call a teardown, and tell of one that fails: it neither hides what became of the work nor undoes it."""
    try:
        await _settled(teardown())
    except Exception as error:
        failure = describe(error)
        get_run_logger().error("the teardown of task %s failed\n%s", name, (failure.traceback or "").rstrip())
        run = CURRENT_RUN.get()
        if isinstance(run, Run):
            run.note(f"the teardown of task {name} failed: {failure.line}")


async def _settled(value: Any) -> Any:
    return await value if isawaitable(value) else value


def _instance(task: Task) -> tuple[Task, Callable[..., Any]]:
    """Return a copy of a task's instance, and its work."""
    own = object.__new__(type(task))
    own.__dict__.update(task.__dict__)
    function = definition_of(task).function
    return own, own.run if function is None else types.MethodType(function, own)
