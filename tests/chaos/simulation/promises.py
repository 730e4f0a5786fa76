"""Which moments must have a row: what was due while a schedule was there, on a clock that is set forward and back."""

TOLERANCE = 3 * 3600 * 1_000_000
"""Of a clock set back by no more, what was decided stays; of one set back further, only runs do."""
ERA = 1000
"""The last digits of a time tell the era."""


class Looks:
    """When a daemon looked at the clock and lived until all it saw was recorded: the first and last of each era."""

    def __init__(self):
        self.first = {}
        self.last = {}

    def note(self, life):
        """Note what *life* saw last, if it is done with it."""
        if life.ticked_at is not None and life.is_settled:
            self.first.setdefault(life.ticked_at % ERA, life.ticked_at)
            self.last[life.ticked_at % ERA] = life.ticked_at

    def all(self):
        return {*self.first.values(), *self.last.values()}

    def contradiction(self, until, decided):
        """Return the look that had to take back a row, or the end of it, without a run; None where it may stand."""
        for look in self.all():
            is_later = _in_order(look) >= _in_order(decided)
            if is_later and until > look and max(until, decided) > look + TOLERANCE:
                return look
        return None


def promised(epochs, looks, hours, jitter):
    """Return stretches of time, (low, high], all of whose moments must have a row."""
    events = [(look, "look") for look in looks.all()]
    events += [(at, kind) for epoch in epochs for at, kind in zip(epoch, ("begin", "end"), strict=True) if at]
    stretches, era, front, begun, is_there = [], 0, 0, 0, False
    for at, kind in sorted(events, key=lambda event: _in_order(event[0])):
        # A daemon may have looked, and died, at any time since.
        low = min([at, *(hours.begin_of(each) for each in range(era + 1, at % ERA + 1))])
        if hours.highest(at) > low + TOLERANCE:
            # Also what small steps back, which moved the front alone, had left standing ahead of it.
            stretches = [(start, min(end, low)) for start, end in stretches if start < low]
        if low < front:
            front = low if begun <= low else min(begun, at)
            begun = min(begun, at)
        era = at % ERA
        until = at - jitter if kind == "look" else at
        if is_there and until > front:
            stretches.append((front, until))
            front = until
        if kind == "begin":
            front = begun = at
        is_there = kind == "begin" or (is_there and kind == "look")
    return stretches


def _in_order(at):
    """Return what sorts times as they really came."""
    return at % ERA, at
