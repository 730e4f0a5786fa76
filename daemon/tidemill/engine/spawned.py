"""Child processes that the run's code starts afresh, as multiprocessing does with ``spawn`` and ``forkserver``.

Such a child first makes its parent's main module, to find the functions it shall call. In a run that is this module:
it loads the flow file under the name it has in the run, from the same texts.
"""

import os
import sys
from types import ModuleType
from typing import Any, Final

import msgspec

from tidemill.domain.runs import RunOrder
from tidemill.limits.here import HERE

_ORDER: Final = "TIDEMILL_SPAWNED"


class _Spec:
    """Says which module a child is to make, and leaves in its environment what that one must know."""

    def __init__(self) -> None:
        self.order: RunOrder | None = None

    @property
    def name(self) -> str:
        order = self.order
        if order is not None:
            # Only now: most runs spawn nothing, and some clear the environment.
            told = (order.path, order.root, order.sources, HERE.place)
            os.environ[_ORDER] = msgspec.json.encode(told).decode()
        return "tidemill.engine.spawned"


_SPEC: Final = _Spec()
_MAIN: Final[Any] = ModuleType("__main__", "The main module of a run process, as its children see it.")
_MAIN.__spec__ = _SPEC


def prepare_children(order: RunOrder) -> None:
    """Let processes that are spawned from here find the code of the flow file of *order*."""
    _SPEC.order = order
    sys.modules["__main__"] = _MAIN


def is_child_of_a_run() -> bool:
    """Tell whether this process was spawned by a run's code."""
    return _ORDER in os.environ


def load_again() -> None:
    """Load the flow file in a spawned child."""
    # A run itself has no use for this module's other half.
    from tidemill.engine.files.loading import load_file

    told = os.environ.get(_ORDER)
    if told is not None:
        # The parent's sys.path holds the flows' folders already, and their finders know nothing of kept texts.
        sys.path_importer_cache.clear()
        kind = tuple[str, str, dict[str, str], tuple[str, str, str] | None]
        path, root, sources, limits = msgspec.json.decode(told, type=kind)
        HERE.use(*(limits or ("", "", "")))
        load_file(path, root, sources)


if __name__ == "__mp_main__":
    load_again()
