"""Calls the functions that authors want called when what a task did is committed or undone."""

import contextvars
from typing import TYPE_CHECKING, Any

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK, CURRENT_TRANSACTION, get_run_logger
from tidemill.engine.failures import describe
from tidemill.engine.invoking import run_coroutine

if TYPE_CHECKING:
    from tidemill.engine.run import Run


class Teller:
    """Whom a transaction tells what becomes of it: its run, in the name of a task or of the flow."""

    __slots__ = ("_logger", "attempt", "index", "name", "run")

    def __init__(self, run: "Run | None", name: str = "-", index: int = -1, logger: Any = None) -> None:
        self._logger = logger
        self.run = run
        self.name = name
        self.index = index
        self.attempt = 0

    def tell(self, level: str, text: str) -> None:
        """Write a line into the run's log; in plain Python, warnings and errors alone."""
        if self._logger is not None:
            getattr(self._logger, level.lower())("%s", text)
        elif self.run is not None and not self.run.is_local:
            self.run.tell(self.name, level, text)
        elif level != "INFO":
            get_run_logger().warning("%s: %s", self.name, text)

    def note(self, text: str) -> None:
        """Write a line into the run's history."""
        if self.run is not None:
            self.run.note(text)

    def tell_failure(self, hook: Any, error: BaseException) -> None:
        """Tell that *hook* has failed."""
        self.tell("ERROR", f"the hook {_name_of(hook)} failed\n{describe(error).traceback or error}")
        self.note(f"the rollback of {self.name} is not whole: its hook {_name_of(hook)} raised {describe(error).line}")


def call_hook(hook: Any, transaction: Any, kind: str, teller: Teller) -> None:
    """Call *hook* with its transaction, whose values it may ask; raise what it raises."""
    teller.tell("INFO", f"{kind}: {_name_of(hook)}")
    # Tasks that it calls are no part of what is being decided, and what it prints is the task's.
    contextvars.copy_context().run(_call, hook, transaction, teller)


def _call(hook: Any, transaction: Any, teller: Teller) -> None:
    CURRENT_TRANSACTION.set(None)
    CURRENT_TASK.set(teller if teller.index >= 0 else None)
    CURRENT_RUN.set(teller.run)
    answer = hook(transaction)
    if hasattr(answer, "__await__"):
        run_coroutine(answer)


def _name_of(hook: Any) -> str:
    return str(getattr(hook, "__name__", None) or repr(hook))
