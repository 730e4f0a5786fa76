"""Everything declared while a flow file is loaded.

A task need not be bound to a name of the module to belong to the file (``[greet.bind(name=n) for n in
names]``), so tasks and flows report themselves here as they are made.
"""


class Registry:
    """Collects what is declared inside its ``with`` block, in that order; calling flows or tasks is refused meanwhile.

    The declarations of helper modules are among them.
    """

    def __init__(self) -> None:
        self.tasks: list[object] = []
        self.classes: list[type] = []
        self.flows: list[object] = []

    def __enter__(self) -> "Registry":
        _active.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _active.remove(self)


_active: list[Registry] = []


def active() -> Registry | None:
    """Return the registry of the load that is going on, if any."""
    return _active[-1] if _active else None
