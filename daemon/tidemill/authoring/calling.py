"""The door between what is declared here and the engine, which lies a floor above.

The façade puts a way to the engine in; importing a flow file alone imports no engine.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tidemill.authoring.locating import find_place
from tidemill.authoring.registry import active
from tidemill.domain.errors import DefinitionError, TidemillError

if TYPE_CHECKING:
    from tidemill.authoring.flow_runs import FlowRun


class Engine(Protocol):
    """What calling a flow or a task needs of the engine."""

    def call_task(
        self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, wait_for: Any, return_state: bool
    ) -> Any:
        """Run *task* here and return its value, or raise what it raised; its state where that is asked for."""

    def submit_task(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, wait_for: Any) -> Any:
        """Start *task* beside the caller and return its future."""

    def map_task(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, wait_for: Any) -> Any:
        """Start *task* for every element of what it is mapped over and return the futures."""

    def call_flow(
        self, flow: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, wait_for: Any, return_state: bool
    ) -> Any:
        """Run a function flow here and return its value, or raise what it raised; its state where that is asked for."""

    def run_flow(self, flow: Any, parameters: dict[str, Any]) -> "FlowRun":
        """Run *flow* here and return what became of it; raise nothing of the user's."""


_loaders: list[Callable[[], Engine]] = []
_engine: list[Engine] = []


def install(loader: Callable[[], Engine]) -> None:
    """Remember how to get the engine; it is imported at the first call."""
    if not _loaders:
        _loaders.append(loader)


def engine(kind: str, called: Any) -> Engine:
    """Return the engine, or refuse to call a flow or a task, whichever *kind* says, while its file is being loaded."""
    if active() is not None:
        what = f"{kind} {called.name} is called while the file is loaded"
        raise DefinitionError(f"{what}; put the call under: if __name__ == '__main__'", line=find_place().line)
    if not _engine:
        if not _loaders:
            raise TidemillError(f"{kind} {called.name} cannot be called: import flows and tasks from tidemill")
        _engine.append(_loaders[0]())
    return _engine[0]
