"""``python -P tests/chaos/zones.py``: every time zone, ten years, twelve shapes, against an independent computation.

Around each change of the clocks Debian's cron is simulated minute by minute; between them walls are matched. The
changes are found by asking the zone itself, not by the product's spans. Prints one JSON document.
"""

import argparse
import json
import sys
import time
import zoneinfo
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "daemon")]

from debian_cron import due_in, matcher, simulate  # noqa: E402
from tidemill.domain.schedules import cron, every  # noqa: E402

TZPATH = next((Path(folder) for folder in zoneinfo.TZPATH if Path(folder).is_dir()), None)
NEAR = 14 * 3600
MONDAY = datetime(2018, 1, 1, 2, 30)
CRONS = (
    "30 2 * * *", "0 0 * * *", "0,30 0-3 * * *", "15 1 * * 0", "0 2 29 2 *", "0 2 1 */3 *", "5 1 */2 * 0-3",
    "*/15 1-2 * * *", "0 */6 * * *", "45 0-4 1,13,29 * 0,6,7",
)  # fmt: skip
SHAPES = {
    **{text: (lambda zone, text=text: cron(text, timezone=zone), text) for text in CRONS},
    "every week from a Monday": (lambda zone: every(weeks=1, anchor=MONDAY, timezone=zone), "30 2 * * 1"),
    "every day": (lambda zone: every(days=1, timezone=zone), "0 0 * * *"),
}
"""Each with a cron expression that has the same moments, for the oracle reads nothing else."""
_walls = {}


def changes(zone, begin, end):
    """Return when the offset of *zone* changes, found by asking it every six hours."""
    found, before = [], zone.utcoffset(datetime.fromtimestamp(begin, zone))
    for at in range(begin, end, 21600):
        now = datetime.fromtimestamp(at + 21600, zone).utcoffset()
        if now != before:
            seconds = range(at, at + 21600)
            first = bisect_left(
                seconds, True, key=lambda t, now=now: datetime.fromtimestamp(t, zone).utcoffset() == now
            )
            found.append(seconds[0] + first)
            before = now
    return found


def walls_of(expression, begin, end):
    """Return all matching walls, in minutes, of the years in question and a little more."""
    key = (expression, begin, end)
    if key not in _walls:
        matches, _ = matcher(expression)
        _walls[key] = [wall for wall in range(begin // 60 - 1500, end // 60 + 1500) if matches(wall)]
    return _walls[key]


def expected(zone, expression, begin, end, around):
    """Return every due instant in [begin, end), in seconds."""
    found, walls, at = [], walls_of(expression, begin, end), begin
    for change in (*around, None):
        stop = end if change is None else max(at, change - NEAR)
        offset = int(datetime.fromtimestamp(at, zone).utcoffset().total_seconds())
        low, high = bisect_left(walls, (at + offset) / 60), bisect_left(walls, (stop + offset) / 60)
        found += [wall * 60 - offset for wall in walls[low:high]]
        at = stop
        if change is not None:
            stop = min(end, change + NEAR)
            found += due_in([look for look in simulate(zone, at, stop) if look[0] >= at], expression)
            at = stop
    return found


def actual(spec, begin, end):
    zone, found, at = spec.zone(), [], begin * 1_000_000 - 1
    while (at := spec.next_micros(at, zone)) is not None and at < end * 1_000_000:
        found.append(at // 1_000_000)
    return found


def compare(name, first, last):
    """Return how many moments of all shapes a zone has in these years, and where the two do not agree."""
    zone = ZoneInfo(name)
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (first, last))
    around, moments, differences = changes(zone, begin, end), 0, []
    for shape, (make, expression) in SHAPES.items():
        ours, theirs = actual(make(name), begin, end), expected(zone, expression, begin, end, around)
        moments += len(theirs)
        if ours != theirs:
            odd = sorted(set(ours) ^ set(theirs))[:3]
            differences.append((name, shape, [str(datetime.fromtimestamp(at, UTC) + timedelta()) for at in odd]))
    return moments, len(around), differences


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, nargs=2, default=(2020, 2030), help="from the first to before the second")
    parser.add_argument("--zones", nargs="*", default=sorted(available_timezones()))
    options = parser.parse_args()
    begun, moments, jumps, differences = time.monotonic(), 0, 0, []
    seen = set()
    for name in options.zones:
        text = (TZPATH / name).read_bytes() if TZPATH is not None and (TZPATH / name).exists() else name
        if text in seen:
            continue  # another name of a zone that was compared
        seen.add(text)
        more, around, odd = compare(name, *options.years)
        moments, jumps = moments + more, jumps + around
        differences += odd
        for difference in odd:
            print(*difference, file=sys.stderr, flush=True)
    facts = {
        "names of zones": len(options.zones),
        "different ones": len(seen),
        "years": options.years,
        "shapes": len(SHAPES),
        "moments": moments,
        "changes of the clocks": jumps,
        "differences": differences,
        "seconds": round(time.monotonic() - begun, 1),
    }
    print(json.dumps(facts, indent=1))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
