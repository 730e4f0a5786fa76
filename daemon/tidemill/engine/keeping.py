"""Keeps what a task or a flow returned where its author or the default says."""

from typing import Any

from tidemill.authoring.keeping import BY_DEFAULT, Keeping
from tidemill.domain.results import ResultInfo
from tidemill.engine.run import Run
from tidemill.storage.history import NOTHING


def keep(run: Run, keeping: Keeping, value: Any, name: str, index: int) -> ResultInfo | None:
    """Keep *value*, and say where; None says that it is in memory only. Raises what the handler raises."""
    if keeping is BY_DEFAULT:
        if value is None:
            return NOTHING
        info = run.keeper.write(value, run.place(name, index))
        if info is not None and info.handler == "none":
            run.note(f"the result of {name} is not kept: it is not JSON and cannot be pickled")
        return info
    if keeping.persist is False:
        return None
    handler = handler_of(keeping)
    kept: ResultInfo | None = (handler or run.keeper).write(value, run.place(name, index))
    return kept


def handler_of(keeping: Keeping) -> Any:
    """Return the handler that *keeping* means; None for the default."""
    return keeping.storage
