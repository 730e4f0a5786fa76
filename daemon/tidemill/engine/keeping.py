"""Keeps what a task or a flow returned where its author, the flow around it or the default says."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tidemill.authoring.keeping import BY_DEFAULT, Keeping
from tidemill.domain.results import ResultInfo
from tidemill.engine.invocation import Invocation, as_part_of
from tidemill.engine.invoking import invoke_code
from tidemill.engine.run import Run
from tidemill.storage.history import NOTHING, HistoryResult
from tidemill.storage.places import ResultPlace
from tidemill.storage.previews import WITHHELD

_NO_FORM: Final = "is not JSON and cannot be pickled"


def is_by_default(run: Run, keeping: Keeping) -> bool:
    """Tell whether nobody said where the result goes, so that the run's own keeper takes it."""
    return keeping is BY_DEFAULT and run.keeping is BY_DEFAULT


def keep_by_default(run: Run, value: Any, name: str, index: int) -> ResultInfo | None:
    """Keep *value*, and say where; None says that it is in memory only. Raises what the keeper raises."""
    if value is None:
        return NOTHING
    return _noted(run, run.keeper.write(value, run.place(name, index)), name)


def keep(call: Invocation, keeping: Keeping, value: Any, place: ResultPlace) -> ResultInfo | None:
    """Keep *value* as its author wants it; it may take its time, and can be interrupted as user code can.

    Raises what the handler raises.
    """
    run = call.run
    persist = run.keeping.persist if keeping.persist is None else keeping.persist
    if persist is False:
        return None
    handler = handler_of(keeping, run)
    if handler is None:
        return keep_by_default(run, value, place.task, place.number)
    with as_part_of(call):
        info, error = invoke_code(run, call, handler.write, args=(value, place), kwargs={})
    if error is not None:
        raise error
    return _noted(run, info, place.task)


def _noted(run: Run, info: ResultInfo | None, name: str) -> ResultInfo | None:
    """Return *info*; one that says that nothing was kept is a note of the run."""
    if isinstance(info, ResultInfo) and info.handler == "none":
        secret = info.preview == WITHHELD
        run.note(f"the result of {name} is not kept: it {'holds a secret' if secret else _NO_FORM}")
    return info


def handler_of(keeping: Keeping, run: Run | None = None) -> Any:
    """Return the handler that *keeping* means in *run*; None for the default. Raises DefinitionError."""
    outer = BY_DEFAULT if run is None else run.keeping
    if keeping is BY_DEFAULT and outer is BY_DEFAULT:
        return None
    if run is None:
        return _choose(keeping, outer, None)
    # By identity: what an author hands over may be no key.
    found = run.handlers.get(id(keeping))
    if found is None:
        found = run.handlers[id(keeping)] = (keeping, _choose(keeping, outer, run.keeper))
    return found[1]


def check_keeping(keeping: Keeping, owner: str) -> None:
    """Refuse what no handler can be made of, before a run finds out. Raises DefinitionError."""
    if keeping is not BY_DEFAULT:
        _choose(keeping, BY_DEFAULT, HistoryResult(""), owner)


def _choose(keeping: Keeping, outer: Keeping, default: Any, owner: str = "the task") -> Any:
    # Most flows keep everything in the history.
    from tidemill.storage.choosing import choose_handler

    chosen = choose_handler(keeping, default, owner, outer)
    return None if chosen is default else chosen


class Arguments(Mapping[str, Any]):
    """What a task is called with, by name; bound only for a name that is made of it."""

    def __init__(self, bind: Callable[[], dict[str, Any]]) -> None:
        self._bind = bind
        self._bound: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def _all(self) -> dict[str, Any]:
        if self._bound is None:
            self._bound = self._bind()
        return self._bound
