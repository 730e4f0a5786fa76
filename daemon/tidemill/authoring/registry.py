"""Everything declared while a flow file is loaded.

A task need not be bound to a name of the module to belong to the file (``[greet.bind(name=n) for n in
names]``), so tasks and flows report themselves here as they are made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Registry:
    """The declarations of one load, in the order they were made; helper modules' ones are among them."""

    tasks: list[object] = field(default_factory=list)
    classes: list[type] = field(default_factory=list)
    flows: list[object] = field(default_factory=list)


_active: list[Registry] = []


@contextmanager
def recording() -> Iterator[Registry]:
    """Collect what is declared inside the block; calling flows or tasks is refused meanwhile."""
    registry = Registry()
    _active.append(registry)
    try:
        yield registry
    finally:
        _active.remove(registry)


def active() -> Registry | None:
    """Return the registry of the load that is going on, if any."""
    return _active[-1] if _active else None
