"""Flows drawn from a seed, and their moments by arithmetic that is none of the product's."""

from tidemill.catalog.known import KnownFile, Version
from tidemill.domain.manifests import FileManifest, FlowManifest
from tidemill.domain.schedules import cron, every

SECOND = 1_000_000
CRONS = {
    "* * * * *": lambda minute, hour: True,
    "*/2 * * * *": lambda minute, hour: minute % 2 == 0,
    "*/7 * * * *": lambda minute, hour: minute % 7 == 0,
    "10 * * * *": lambda minute, hour: minute == 10,
    "0,30 8-17 * * *": lambda minute, hour: minute in (0, 30) and 8 <= hour <= 17,
    "5 4 * * *": lambda minute, hour: (minute, hour) == (5, 4),
}
EVERY = (10, 20, 45, 60, 90, 300, 3600)


def draw_flow(rng, name):
    """Draw a flow with one or two schedules and policies of all kinds."""
    schedules = []
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        jitter = rng.choice((0, 0, 0, 3, 20))
        if rng.random() < 0.6:
            schedules.append(every(seconds=rng.choice(EVERY), jitter=jitter))
        else:
            schedules.append(cron(rng.choice(list(CRONS)), jitter=jitter))
    return FlowManifest(
        name,
        "function",
        takes_any=True,
        schedules=tuple({spec.key(): spec for spec in schedules}.values()),
        catchup=rng.choice(("latest", "all", "none")),
        grace=rng.choice((None, None, None, 2, 60, 600)),
        overlap=rng.choice(("skip", "skip", "queue", "allow", "cancel")),
        max_active_runs=rng.choice((None, None, None, 1, 2, 3)),
        priority=rng.choice((0, 0, 0, 5)),
    )


def file_of(manifest, version):
    """Return a flow file that declares *manifest*, as the catalog would tell of it."""
    path = f"/flows/{manifest.name}.py"
    inspected = FileManifest(path, f"{version:064x}", flows=(manifest,))
    return KnownFile(path, path, inspected, Version.of(inspected), flows=(manifest,))


def limit_of(manifest):
    """Return how many runs of a flow may live at once."""
    if manifest.max_active_runs is not None:
        return manifest.max_active_runs
    return 10**6 if manifest.overlap == "allow" else 1


def moments(kind, expression, low, high):
    """Return every moment in (low, high], in microseconds."""
    if kind == "every":
        step = int(expression) * SECOND
        return range((low // step + 1) * step, high + 1, step)
    rule = CRONS[expression]
    minute = 60 * SECOND
    found = []
    for at in range((low // minute + 1) * minute, high + 1, minute):
        if rule(at // minute % 60, at // (60 * minute) % 24):
            found.append(at)
    return found
