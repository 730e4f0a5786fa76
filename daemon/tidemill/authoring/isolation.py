"""How transactions see each other, and when each is committed. Prefect's words."""

from enum import StrEnum


class IsolationLevel(StrEnum):
    """What two transactions of the same key know of each other."""

    READ_COMMITTED = "READ_COMMITTED"
    """Each sees what was committed before it began; both may do the work at once."""
    SERIALIZABLE = "SERIALIZABLE"
    """One waits for the other, and then sees what it committed."""


class CommitMode(StrEnum):
    """When what a transaction did counts."""

    EAGER = "EAGER"
    """At its own end, also inside another one."""
    LAZY = "LAZY"
    """Together with the transaction around it, at the end of the outermost."""
    OFF = "OFF"
    """Never by itself: it is rolled back unless ``commit()`` was called."""
