"""The named limits as the daemon sees them: it puts them into force, and asks on behalf of runs that wait."""

from collections.abc import Collection, Mapping, Sequence

from tidemill.config.paths import StatePaths
from tidemill.domain.errors import StateDirectoryError
from tidemill.domain.limits import Limit
from tidemill.limits.line import AHEAD
from tidemill.limits.slots import Slots
from tidemill.limits.table import write_table
from tidemill.limits.telling import reason


def put_into_force(paths: StatePaths, limits: Mapping[str, Limit]) -> None:
    """Make *limits* those of every run, also of the ones that live; who holds more than a lower one lets keeps it."""
    try:
        write_table(paths.limits, limits)
    except OSError as error:
        raise StateDirectoryError(f"the limits cannot be written to {paths.limits}: {error.strerror}") from error


class RunSlots(Slots):
    """The slots that the dispatcher asks for; it holds none itself, the run processes do."""

    def runs_holding(self, name: str) -> Collection[str] | None:
        """Return the ids of the runs that hold a slot as a whole; None for a rate, which nobody holds."""
        limit = self.limits.get(name)
        if limit is None or limit.per_second is not None:
            return None
        return {holder.run for holder in self.holders(name) if not holder.part}

    def draw(self, names: Sequence[str]) -> bool:
        """Take from the rates among *names*, for a run that starts now; tell whether they gave."""
        limits = self.limits
        rates = [name for name in names if name in limits and limits[name].per_second is not None]
        return not rates or self.take(rates, number=AHEAD) is not None

    def reason(self, names: Sequence[str], coming: Mapping[str, Collection[str]]) -> str | None:
        """Say why somebody who needs *names* waits, while runs are *coming* that were let go before."""
        return reason(self, names, coming)
