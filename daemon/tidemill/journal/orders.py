"""A run's order as an event of its journal: who has nothing but the journal knows from it whose it is."""

from tidemill.domain.events import RunOrdered
from tidemill.domain.runs import RunOrder


def told(order: RunOrder, at: int) -> RunOrdered:
    """Return what is told of *order*. Texts are kept in files that are named by their hashes."""
    return RunOrdered(
        at,
        order.flow,
        order.path,
        order.trigger,
        order.scheduled_for,
        order.attempt,
        order.parent,
        order.parameters,
        order.version,
        {path: kept[kept.rfind("/") + 1 :].removesuffix(".py") for path, kept in order.sources.items()},
        order.schedule,
    )
